//! Making the embedded base model.
