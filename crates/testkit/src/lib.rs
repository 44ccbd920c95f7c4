//! Tiny random models and other fixtures, used only from tests.
