//! What to type to run this program again.

use std::env;
use std::ffi::OsStr;
use std::path::Path;

/// `postrider`, if that is in the search path and is this program; else where it is. Nothing has
/// installed a program that cargo runs.
pub(crate) fn name() -> String {
    let Ok(program) = env::current_exe() else {
        return "postrider".to_owned();
    };
    let path = env::var_os("PATH").unwrap_or_default();
    let directory = env::current_dir().unwrap_or_default();
    call(&program, &path, &directory)
}

fn call(program: &Path, path: &OsStr, directory: &Path) -> String {
    let is_this = |other: &Path| other.canonicalize().ok() == program.canonicalize().ok();
    // The first of that name is the one that a shell takes.
    let mut named = env::split_paths(path).map(|place| place.join("postrider"));
    if named.find(|it| it.exists()).is_some_and(|it| is_this(&it)) {
        return "postrider".to_owned();
    }
    let shown = match program.strip_prefix(directory) {
        // A name without a slash would be looked for in the search path.
        Ok(below) if below.parent() == Some(Path::new("")) => Path::new(".").join(below),
        Ok(below) => below.to_owned(),
        Err(_) => program.to_owned(),
    };
    let text = shown.display().to_string();
    let is_plain = |it: char| it.is_alphanumeric() || "/._-+".contains(it);
    match text.chars().all(is_plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_installed_is_called_by_its_path() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().canonicalize().unwrap();
        let built = directory.join("target/release");
        std::fs::create_dir_all(&built).unwrap();
        let program = built.join("postrider");
        std::fs::write(&program, "").unwrap();
        let nothing = OsStr::new("/nowhere");
        let call = |path: &OsStr, from: &Path| call(&program, path, from);
        assert_eq!(call(nothing, &directory), "target/release/postrider");
        assert_eq!(call(nothing, &built), "./postrider");
        assert_eq!(
            call(nothing, Path::new("/nowhere")),
            program.display().to_string()
        );
        assert_eq!(call(built.as_os_str(), &directory), "postrider");
        // Another program of that name is in the search path.
        let other = directory.join("other");
        std::fs::create_dir_all(&other).unwrap();
        std::fs::write(other.join("postrider"), "").unwrap();
        assert_eq!(
            call(other.as_os_str(), &directory),
            "target/release/postrider"
        );
    }

    #[test]
    fn a_path_with_spaces_can_be_typed_as_it_is_shown() {
        let path = Path::new("/my programs/it's/postrider");
        let shown = call(path, OsStr::new(""), Path::new("/nowhere"));
        assert_eq!(shown, r"'/my programs/it'\''s/postrider'");
    }
}
