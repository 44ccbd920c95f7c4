//! Writes the page's TypeScript: `cargo xtask bindings`.

fn main() -> std::io::Result<()> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = root.join(visavis_ipc::bindings::PATH);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, visavis_ipc::bindings::typescript())
}
