"""The explorer: a full screen on which a person walks through what a model may write."""
