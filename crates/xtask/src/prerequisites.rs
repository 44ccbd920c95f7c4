//! What a build needs beyond git, a C compiler, Rust and Node, and how to get it.
//!
//! On macOS and Windows the toolchain is enough; on Linux the window needs the system's web view,
//! and its tests a display without a screen. Nobody asks for these: they are looked for, and
//! installed after asking where somebody can answer.

use crate::cargo::{cargo, succeeds};
use crate::{say, ui};
use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::Command;

/// One thing that must be there.
pub(crate) struct Need {
    /// Its name.
    what: &'static str,
    /// What it is for.
    why: &'static str,
    /// Whether it is there. Must be quick and silent.
    present: fn() -> bool,
    /// Its name as a rustup component, if it is one.
    component: Option<&'static str>,
    packages: Packages,
}

/// The names under which the systems' package managers know it; empty where they do not.
struct Packages {
    apt: &'static [&'static str],
    dnf: &'static [&'static str],
    brew: &'static [&'static str],
    winget: &'static [&'static str],
}

/// What the checks need. A C compiler is not listed: on Linux and macOS it links Rust programs,
/// and so this very one.
pub(crate) const CHECKS: &[Need] = &[
    Need {
        what: "rustfmt",
        why: "checks the formatting",
        present: || succeeds(cargo(["fmt", "--version"])),
        component: Some("rustfmt"),
        packages: Packages {
            apt: &["rustfmt"],
            dnf: &["rustfmt"],
            brew: &[],
            winget: &[],
        },
    },
    Need {
        what: "clippy",
        why: "checks the code for common slips",
        present: || succeeds(cargo(["clippy", "--version"])),
        component: Some("clippy"),
        packages: Packages {
            apt: &["rust-clippy"],
            dnf: &["clippy"],
            brew: &[],
            winget: &[],
        },
    },
];

/// What the window is built with, beside Rust.
pub(crate) const WINDOW: &[Need] = &[
    Need {
        what: "Node.js 20.19 or newer with npm",
        why: "builds the window's page",
        present: ui::node_is_recent,
        component: None,
        // Debian's and Fedora's own may be older; which one a person wants is theirs to say.
        packages: Packages {
            apt: &[],
            dnf: &["nodejs", "nodejs-npm"],
            brew: &["node"],
            winget: &["OpenJS.NodeJS.LTS"],
        },
    },
    Need {
        what: "WebKitGTK 4.1",
        why: "shows the window's page on Linux",
        present: || known_to_pkg_config("webkit2gtk-4.1"),
        component: None,
        packages: Packages {
            apt: &["libwebkit2gtk-4.1-dev", "pkg-config"],
            dnf: &["webkit2gtk4.1-devel", "pkgconf-pkg-config"],
            brew: &[],
            winget: &[],
        },
    },
    Need {
        what: "D-Bus",
        why: "tells the window on Linux whether the system is dark",
        present: || known_to_pkg_config("dbus-1"),
        component: None,
        packages: Packages {
            apt: &["libdbus-1-dev", "pkg-config"],
            dnf: &["dbus-devel", "pkgconf-pkg-config"],
            brew: &[],
            winget: &[],
        },
    },
];

/// What the tests of the real window need; they run on Linux only.
pub(crate) const WINDOW_TESTS: &[Need] = &[
    Need {
        what: "Xvfb",
        why: "gives the window's tests a display",
        present: || !cfg!(target_os = "linux") || on_path("Xvfb"),
        component: None,
        packages: Packages {
            apt: &["xvfb"],
            dnf: &["xorg-x11-server-Xvfb"],
            brew: &[],
            winget: &[],
        },
    },
    Need {
        what: "WebKitWebDriver",
        why: "drives the window in its tests",
        present: || !cfg!(target_os = "linux") || on_path("WebKitWebDriver"),
        component: None,
        packages: Packages {
            apt: &["webkit2gtk-driver"],
            dnf: &["webkit2gtk4.1"],
            brew: &[],
            winget: &[],
        },
    },
    Need {
        what: "a Chinese font",
        why: "lets the window's tests show Chinese",
        present: || !cfg!(target_os = "linux") || has_chinese_font(),
        component: None,
        packages: Packages {
            apt: &["fontconfig", "fonts-noto-cjk"],
            dnf: &["fontconfig", "google-noto-sans-cjk-fonts"],
            brew: &[],
            winget: &[],
        },
    },
];

/// Whether a library's headers are installed; only Linux asks.
fn known_to_pkg_config(library: &str) -> bool {
    if !cfg!(target_os = "linux") {
        return true;
    }
    let mut command = Command::new("pkg-config");
    command.args(["--exists", library]);
    succeeds(command)
}

fn has_chinese_font() -> bool {
    let listed = Command::new("fc-list").arg(":lang=zh-cn").output();
    listed.is_ok_and(|output| !output.stdout.is_empty())
}

/// The package managers that are used.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Manager {
    Apt,
    Dnf,
    Brew,
    Winget,
}

impl Manager {
    /// The one of this system.
    fn find() -> Option<Self> {
        let candidates: &[(Self, &str)] = if cfg!(target_os = "macos") {
            &[(Self::Brew, "brew")]
        } else if cfg!(windows) {
            &[(Self::Winget, "winget.exe")]
        } else {
            &[(Self::Apt, "apt-get"), (Self::Dnf, "dnf")]
        };
        candidates
            .iter()
            .find(|(_, program)| on_path(program))
            .map(|(manager, _)| *manager)
    }

    fn names(self, packages: &Packages) -> &'static [&'static str] {
        match self {
            Self::Apt => packages.apt,
            Self::Dnf => packages.dnf,
            Self::Brew => packages.brew,
            Self::Winget => packages.winget,
        }
    }

    /// The commands that install `names` without asking.
    fn install(self, names: &[&str]) -> Vec<Vec<String>> {
        let line = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        match self {
            // A fresh container has no package lists yet.
            Self::Apt => vec![
                line(&["apt-get", "update"]),
                line(
                    &[
                        &["apt-get", "install", "-y", "--no-install-recommends"],
                        names,
                    ]
                    .concat(),
                ),
            ],
            Self::Dnf => vec![line(&[&["dnf", "install", "-y"], names].concat())],
            Self::Brew => vec![line(&[&["brew", "install"], names].concat())],
            // winget takes one package at a time.
            Self::Winget => names
                .iter()
                .map(|name| line(&["winget", "install", "--exact", "--id", name]))
                .collect(),
        }
    }

    fn needs_root(self) -> bool {
        matches!(self, Self::Apt | Self::Dnf)
    }
}

/// What this machine has to install things with.
struct Machine {
    /// The rustup toolchain that cargo was started from, if it was.
    toolchain: Option<String>,
    manager: Option<Manager>,
    /// Words before a command that needs root.
    elevate: Vec<String>,
}

impl Machine {
    fn look(unattended: bool) -> Self {
        Self {
            toolchain: std::env::var("RUSTUP_TOOLCHAIN").ok(),
            manager: Manager::find(),
            elevate: elevate(unattended),
        }
    }
}

fn elevate(unattended: bool) -> Vec<String> {
    let id = Command::new("id").arg("-u").output();
    if id.is_ok_and(|output| output.stdout.trim_ascii() == b"0") {
        return Vec::new();
    }
    // `-n`: where nobody can type a password, sudo must fail instead of waiting.
    let words: &[&str] = if unattended {
        &["sudo", "-n"]
    } else {
        &["sudo"]
    };
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// How the missing things will be installed.
struct Plan {
    commands: Vec<Vec<String>>,
    /// Names of those that nothing here can install.
    unmet: Vec<&'static str>,
}

fn plan(missing: &[&Need], machine: &Machine) -> Plan {
    let mut plan = Plan {
        commands: Vec::new(),
        unmet: Vec::new(),
    };
    let mut components = Vec::new();
    let mut packages = Vec::new();
    for need in missing {
        let names = machine
            .manager
            .map_or(&[][..], |manager| manager.names(&need.packages));
        match need.component {
            Some(component) if machine.toolchain.is_some() => components.push(component),
            _ if names.is_empty() => plan.unmet.push(need.what),
            _ => packages.extend_from_slice(names),
        }
    }
    if let Some(toolchain) = machine
        .toolchain
        .as_deref()
        .filter(|_| !components.is_empty())
    {
        let words = ["rustup", "component", "add", "--toolchain", toolchain];
        plan.commands.push(
            [&words[..], &components]
                .concat()
                .into_iter()
                .map(str::to_owned)
                .collect(),
        );
    }
    // Several needs may name the same package.
    let mut seen = Vec::new();
    packages.retain(|name| {
        let new = !seen.contains(name);
        seen.push(*name);
        new
    });
    if let Some(manager) = machine.manager.filter(|_| !packages.is_empty()) {
        let elevate = if manager.needs_root() {
            &machine.elevate[..]
        } else {
            &[]
        };
        let commands = manager.install(&packages);
        plan.commands
            .extend(commands.into_iter().map(|words| [elevate, &words].concat()));
    }
    plan
}

/// Checks `needs` and installs what is missing, after asking where somebody can answer. The error
/// is a sentence for the person.
pub(crate) fn provide(needs: &[&'static [Need]]) -> Result<(), String> {
    let needs: Vec<&Need> = needs.iter().copied().flatten().collect();
    let missing: Vec<&Need> = needs
        .iter()
        .copied()
        .filter(|need| !(need.present)())
        .collect();
    if missing.is_empty() {
        let names: Vec<&str> = needs.iter().map(|need| need.what).collect();
        say::line(&format!("    Nothing is missing ({}).", names.join(", ")));
        return Ok(());
    }
    for need in &missing {
        say::line(&format!("    Missing: {}, which {}.", need.what, need.why));
    }
    let unattended = unattended();
    let plan = plan(&missing, &Machine::look(unattended));
    if !plan.unmet.is_empty() {
        return Err(format!(
            "nothing here can install {}; please install it and try again",
            plan.unmet.join(", ")
        ));
    }
    say::line("    To install it:");
    for words in &plan.commands {
        say::line(&format!("        {}", words.join(" ")));
    }
    if !unattended && !agreed() {
        return Err("not installed; run the lines above yourself, then try again".to_owned());
    }
    plan.commands.iter().try_for_each(|words| install(words))?;
    match missing.iter().find(|need| !(need.present)()) {
        None => Ok(()),
        Some(need) => Err(format!(
            "{} is still missing after installing it",
            need.what
        )),
    }
}

fn install(words: &[String]) -> Result<(), String> {
    let line = words.join(" ");
    let (program, args) = words.split_first().ok_or("an empty command")?;
    let status = Command::new(program)
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()
        .map_err(|error| format!("`{program}` cannot be started: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{line}` ended with {status}"))
    }
}

/// Whether nobody is there to answer a question.
fn unattended() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true" || value == "1")
        || !std::io::stdin().is_terminal()
}

/// Asks once; anything but yes is no.
fn agreed() -> bool {
    let mut out = std::io::stdout().lock();
    let _ = write!(out, "    Install it now? [y/N] ");
    let _ = out.flush();
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

fn on_path(program: &str) -> bool {
    let Some(path) = std::env::var_os("PATH") else {
        return false;
    };
    std::env::split_paths(&path).any(|folder| Path::new(&folder).join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIBRARY: Need = Need {
        what: "a library",
        why: "is needed",
        present: || false,
        component: None,
        packages: Packages {
            apt: &["libx-dev", "liby-dev"],
            dnf: &["x-devel"],
            brew: &[],
            winget: &[],
        },
    };

    fn machine(toolchain: Option<&str>, manager: Option<Manager>, elevate: &[&str]) -> Machine {
        Machine {
            toolchain: toolchain.map(str::to_owned),
            manager,
            elevate: elevate.iter().map(|word| (*word).to_owned()).collect(),
        }
    }

    fn lines(plan: &Plan) -> Vec<String> {
        plan.commands.iter().map(|words| words.join(" ")).collect()
    }

    #[test]
    fn components_come_from_rustup_and_libraries_from_the_system() {
        let missing: Vec<&Need> = CHECKS.iter().chain([&LIBRARY]).collect();
        let plan = plan(
            &missing,
            &machine(Some("stable"), Some(Manager::Apt), &["sudo"]),
        );
        assert_eq!(
            lines(&plan),
            [
                "rustup component add --toolchain stable rustfmt clippy",
                "sudo apt-get update",
                "sudo apt-get install -y --no-install-recommends libx-dev liby-dev",
            ]
        );
        assert!(plan.unmet.is_empty());
    }

    #[test]
    fn without_rustup_the_system_provides_the_components() {
        let missing: Vec<&Need> = CHECKS.iter().collect();
        let plan = plan(&missing, &machine(None, Some(Manager::Dnf), &[]));
        assert_eq!(lines(&plan), ["dnf install -y rustfmt clippy"]);
    }

    #[test]
    fn what_nothing_can_install_is_named() {
        let plan = plan(
            &[&LIBRARY],
            &machine(Some("stable"), Some(Manager::Brew), &["sudo"]),
        );
        assert_eq!(plan.unmet, ["a library"]);
        assert!(plan.commands.is_empty());
    }

    #[test]
    fn homebrew_is_never_run_as_root() {
        let need = Need {
            packages: Packages {
                apt: &[],
                dnf: &[],
                brew: &["x"],
                winget: &[],
            },
            ..LIBRARY
        };
        let plan = plan(&[&need], &machine(None, Some(Manager::Brew), &["sudo"]));
        assert_eq!(lines(&plan), ["brew install x"]);
    }

    #[test]
    fn an_installer_that_is_not_there_is_named() {
        let error = install(&["visavis-no-such-program".to_owned()]).unwrap_err();
        assert!(
            error.contains("`visavis-no-such-program` cannot be started"),
            "{error}"
        );
    }
}
