//! The `keyledger-agent` program.

fn main() -> std::process::ExitCode {
    keyledger_agent::cli::main(keyledger_agent::hardware::Hardware)
}
