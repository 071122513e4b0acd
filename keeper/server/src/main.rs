//! keeperd
fn main() {}
