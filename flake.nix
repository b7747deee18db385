{
  description = "Keyledger: a NATS-native, event-sourced key management service";

  inputs = {
    # Unstable, because nats-server must be 2.15.1 or later.
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    # The very toolchain that rust-toolchain.toml names, for Nix and rustup alike.
    rust-overlay = {
      url = "github:oxalica/rust-overlay";
      inputs.nixpkgs.follows = "nixpkgs";
    };
  };

  outputs =
    {
      self,
      nixpkgs,
      rust-overlay,
    }:
    let
      inherit (nixpkgs) lib;

      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];

      # What a system offers: its packages, our toolchain, and what building and testing need.
      forEachSystem =
        make:
        lib.genAttrs systems (
          system:
          let
            pkgs = import nixpkgs {
              inherit system;
              overlays = [ rust-overlay.overlays.default ];
            };
            toolchain = pkgs.rust-bin.fromRustupToolchainFile ./rust-toolchain.toml;
          in
          make {
            inherit pkgs toolchain;
            rustPlatform = pkgs.makeRustPlatform {
              cargo = toolchain;
              rustc = toolchain;
            };
            # The real programs that the tests run.
            natsTools = [
              pkgs.nats-server
              pkgs.natscli
              pkgs.nsc
            ];
            # macOS brings PC/SC with the system.
            tokenLibraries = lib.optional pkgs.stdenv.hostPlatform.isLinux pkgs.pcsclite;
            # Judges of what the agent writes to a token.
            tokenTools = [ pkgs.opensc ];
          }
        );

      build =
        {
          pkgs,
          rustPlatform,
          tokenLibraries,
          ...
        }:
        rustPlatform.buildRustPackage {
          pname = "keyledger";
          version = (lib.importTOML ./Cargo.toml).workspace.package.version;
          src = self;
          cargoLock.lockFile = ./Cargo.lock;
          cargoBuildFlags = [
            "--workspace"
            "--bins"
          ];
          nativeBuildInputs = [
            pkgs.makeWrapper
            pkgs.pkg-config
          ];
          buildInputs = tokenLibraries;
          # The tests are a check of their own: they take minutes and a nats-server.
          doCheck = false;
          # `keyledger up` starts a nats-server; one that the user has goes first.
          postInstall = ''
            wrapProgram $out/bin/keyledger --suffix PATH : ${lib.makeBinPath [ pkgs.nats-server ]}
          '';
          meta = {
            description = "A NATS-native, event-sourced key management service";
            license = with lib.licenses; [
              asl20
              mit
            ];
            mainProgram = "keyledger";
            platforms = systems;
          };
        };
    in
    {
      packages = forEachSystem (system: {
        default = build system;
      });

      devShells = forEachSystem (
        {
          pkgs,
          toolchain,
          natsTools,
          tokenLibraries,
          tokenTools,
          ...
        }:
        {
          default = pkgs.mkShell {
            packages = [
              toolchain
              pkgs.cargo-deny
              pkgs.pkg-config
              pkgs.shellcheck
            ]
            ++ natsTools
            ++ tokenLibraries
            ++ tokenTools;
          };
        }
      );

      checks = forEachSystem (
        {
          pkgs,
          toolchain,
          natsTools,
          tokenTools,
          ...
        }@system:
        let
          package = build system;

          # The package's sources and dependencies with another command instead of the build.
          instead =
            name: command:
            package.overrideAttrs (old: {
              pname = "keyledger-${name}";
              nativeBuildInputs = old.nativeBuildInputs ++ [ toolchain ];
              buildPhase = ''
                runHook preBuild
                ${command}
                runHook postBuild
              '';
              installPhase = "touch $out";
              postInstall = "";
            });
        in
        {
          inherit package;

          tests =
            (instead "tests" ''
              cargo build --offline --locked --workspace --bins --tests --examples
              cargo test --offline --locked --workspace
            '').overrideAttrs
              (old: {
                nativeBuildInputs = old.nativeBuildInputs ++ natsTools ++ tokenTools;
                # The servers listen on loopback, which the sandbox of macOS forbids otherwise.
                __darwinAllowLocalNetworking = true;
              });

          clippy = instead "clippy" ''
            cargo clippy --offline --locked --workspace --all-targets -- --deny warnings
          '';

          fmt = instead "fmt" "cargo fmt --all --check";

          shellcheck = pkgs.runCommand "keyledger-shellcheck" { nativeBuildInputs = [ pkgs.shellcheck ]; } ''
            shellcheck ${./dev} ${./tools/instrument} ${./tools/try-packages} ${./.ci/run}
            touch $out
          '';
        }
      );

      formatter = forEachSystem ({ pkgs, ... }: pkgs.nixfmt-tree);
    };
}
