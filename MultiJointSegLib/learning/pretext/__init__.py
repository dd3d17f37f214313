"""Self-supervised pretraining from imaging planes that technologists place by anatomy."""
