"""Who scores architectures: data, shared weights, training from fresh weights."""
