// The search runs in a Worker, which browsers refuse to pages that are opened from a folder
// (file:). There, a frame does the same work: it loads the same script, and gives and takes
// copies of the same messages, each in a turn of its own.
if (location.protocol === "file:") {
  window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      const inside = this.frame.contentWindow;
      const script = inside.document.createElement("script");
      this.ready = new Promise((resolve, reject) => Object.assign(script, { onload: resolve, onerror: reject }));
      this.ready.catch(() => this.onerror?.(new Event("error", { cancelable: true })));
      inside.postMessage = (data) => later(data, (event) => this.tell(event));
      script.src = url;
      inside.document.body.append(script);
    }

    tell(event) {
      this.dispatchEvent(event);
      this.onmessage?.(event);
    }

    postMessage(data) {
      const send = (event) => this.ready.then(() => this.frame.contentWindow.dispatchEvent(event), () => {});
      later(data, send);
    }

    terminate() {
      this.frame.remove();
    }
  };
  window.Worker = window.IFrameWorker;

  function later(data, send) {
    const event = new MessageEvent("message", { data: structuredClone(data) });
    setTimeout(() => send(event));
  }
}
