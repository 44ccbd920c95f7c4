mod asking;
mod keeping;
mod pictures;
mod real;
mod support;
