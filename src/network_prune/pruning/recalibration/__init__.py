"""The running statistics of a network's BatchNorms, estimated anew under masks and put back."""
