//! The screen at several sizes, and keys.
