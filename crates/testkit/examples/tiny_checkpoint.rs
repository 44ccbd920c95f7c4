//! Writes a preset's checkpoint into a folder, to try a program on it:
//! `cargo run -p visavis-testkit --example tiny_checkpoint -- base some/folder`.

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [preset, folder] = arguments.as_slice() else {
        eprintln!("usage: tiny_checkpoint PRESET FOLDER");
        std::process::exit(2);
    };
    let folder = std::path::Path::new(folder);
    std::fs::create_dir_all(folder).expect("a folder to write to");
    visavis_testkit::write_checkpoint(&visavis_testkit::preset(preset), folder);
}
