//! `cargo xtask wasm`: the npm package for receivers, from the source to the tarball.

use crate::test::forget_package;
use crate::{install, node};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const TARGET: &str = "wasm32-unknown-unknown";

/// What all runtimes of the package have: Node 18, Safari 16.4, Chrome 91 and Firefox 89 on.
const FEATURES: &[&str] = &["simd128", "bulk-memory", "sign-ext", "nontrapping-fptoint"];

/// The names of the same for wasm-opt, with what the compiler's own library uses besides.
const OPTIMISER: &[&str] = &[
    "--mvp-features",
    "--enable-simd",
    "--enable-bulk-memory",
    "--enable-sign-ext",
    "--enable-nontrapping-float-to-int",
    "--enable-mutable-globals",
    "--enable-multivalue",
    "--enable-reference-types",
    "-O3",
    "--converge",
];

/// The modules: the name of the file, and the features of the crate.
const MODULES: &[(&str, &str)] = &[("core", ""), ("full", "full")];

/// What compiles to WebAssembly on this machine.
enum Compiler {
    /// The toolchain's own compiler and library.
    Rustup,
    /// Debian's compiler, which builds the library from its source.
    Debian,
}

/// Builds both modules and packs them: `verifier-wasm/pkg/*.tgz`.
pub(crate) fn run() -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let package = root.join("verifier-wasm");
    install::npm(&package)?;
    let compiler = Compiler::pick()?;
    let made = |error: std::io::Error| format!("verifier-wasm: {error}");
    for directory in ["dist", "pkg"] {
        std::fs::create_dir_all(package.join(directory)).map_err(made)?;
    }
    for (name, features) in MODULES {
        let built = compiler.build(&root, features)?;
        let mut optimiser = node::command("node");
        optimiser
            .arg(package.join("node_modules/binaryen/bin/wasm-opt"))
            .args(OPTIMISER)
            .arg(built)
            .arg("-o")
            .arg(package.join(format!("dist/{name}.wasm")));
        succeed(&mut optimiser, "wasm-opt")?;
    }
    for license in ["LICENSE-APACHE", "LICENSE-MIT"] {
        std::fs::copy(root.join(license), package.join(license)).map_err(made)?;
    }
    for npm in [
        &["run", "--silent", "build"][..],
        &["pack", "--silent", "--pack-destination", "pkg"],
    ] {
        let mut command = node::command("npm");
        succeed(command.args(npm).current_dir(&package), "npm")?;
    }
    Ok(())
}

impl Compiler {
    /// The toolchain's, if it has the target or can get it; Debian's otherwise.
    fn pick() -> Result<Self, String> {
        if has_target() {
            return Ok(Self::Rustup);
        }
        let added = Command::new("rustup")
            .args(["target", "add", TARGET])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if added.is_ok_and(|status| status.success()) && has_target() {
            return Ok(Self::Rustup);
        }
        install::debian_wasm()?;
        Ok(Self::Debian)
    }

    /// Gives the path of the module.
    fn build(&self, root: &Path, features: &str) -> Result<PathBuf, String> {
        let target = root.join("target/wasm");
        let mut cargo = Command::new("cargo");
        cargo
            .args([
                "build",
                "--quiet",
                "--locked",
                "-p",
                "postrider-verifier-wasm",
            ])
            .args(["--profile", "wasm", "--target", TARGET])
            .args(["--features", features, "--target-dir"])
            .arg(&target)
            .current_dir(root);
        let mut flags = vec![format!("-Ctarget-feature=+{}", FEATURES.join(",+"))];
        if matches!(self, Self::Debian) {
            // The library is built so that a panic is a trap and carries no text.
            cargo
                .args(["-Zbuild-std=std,panic_abort"])
                .arg("-Zbuild-std-features=optimize_for_size")
                .env("RUSTC", "/usr/bin/rustc")
                .env("RUSTC_BOOTSTRAP", "1");
            flags.push("-Zunstable-options".to_owned());
            flags.push("-Cpanic=immediate-abort".to_owned());
            let linker = sysroot()?.join("lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld");
            cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        cargo.env("RUSTFLAGS", flags.join(" "));
        forget_package(&mut cargo);
        succeed(&mut cargo, "the build for WebAssembly")?;
        Ok(target
            .join(TARGET)
            .join("wasm/postrider_verifier_wasm.wasm"))
    }
}

/// Whether the toolchain has a library for the target.
fn has_target() -> bool {
    sysroot().is_ok_and(|sysroot| {
        let library = sysroot.join("lib/rustlib").join(TARGET).join("lib");
        library.is_dir()
    })
}

fn sysroot() -> Result<PathBuf, String> {
    let printed = Command::new("rustc").args(["--print", "sysroot"]).output();
    let printed = printed.map_err(|error| format!("rustc did not start: {error}"))?;
    Ok(PathBuf::from(
        String::from_utf8_lossy(&printed.stdout).trim().to_owned(),
    ))
}

fn succeed(command: &mut Command, what: &str) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(format!("{what} failed: see above")),
        Err(error) => Err(format!("{what} did not start: {error}")),
    }
}
