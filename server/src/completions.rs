//! `postrider completions`.

use crate::{Answer, CommandLine};
use clap::CommandFactory;
use clap_complete::Shell;

/// Print what a shell needs to complete the commands
///
/// bash: `postrider completions bash > ~/.local/share/bash-completion/completions/postrider`;
/// zsh: `postrider completions zsh > "${fpath[1]}/_postrider"`;
/// fish: `postrider completions fish > ~/.config/fish/completions/postrider.fish`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> Answer {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut CommandLine::command(),
        "postrider",
        &mut script,
    );
    Answer {
        text: String::from_utf8_lossy(&script).into_owned(),
        is_yes: true,
    }
}
