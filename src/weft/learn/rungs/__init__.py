"""The kinds of model that come with Weft, one module each."""
