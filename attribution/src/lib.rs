//! Which contribution shaped which model.
