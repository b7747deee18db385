//! Files that a user names. They are read only if they are ordinary files and not too large.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

/// Reads a file, if it is an ordinary one of at most `max_bytes`.
///
/// # Errors
///
/// The error of the file system; [`io::ErrorKind::InvalidInput`] if it is no ordinary file: opening a named pipe may block for ever,
/// and reading a device may never end.
pub fn read_ordinary_file(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    // Checked before the file is opened: opening a named pipe may block for ever.
    check_ordinary(&fs::metadata(path)?, max_bytes)?;
    let file = File::open(path)?;
    check_ordinary(&file.metadata()?, max_bytes)?;
    let mut bytes = Vec::new();
    file.take(max_bytes).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// As [`read_ordinary_file`], of text.
///
/// # Errors
///
/// As [`read_ordinary_file`]; [`io::ErrorKind::InvalidData`] if it is no UTF-8.
pub fn read_ordinary_text(path: &Path, max_bytes: u64) -> io::Result<String> {
    let bytes = read_ordinary_file(path, max_bytes)?;
    String::from_utf8(bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no text in UTF-8"))
}

/// Checks that a file is an ordinary one of at most `max_bytes`, if a library is going to read it.
///
/// # Errors
///
/// As [`read_ordinary_file`].
pub fn check_ordinary_file(path: &Path, max_bytes: u64) -> io::Result<()> {
    check_ordinary(&fs::metadata(path)?, max_bytes)
}

fn check_ordinary(metadata: &fs::Metadata, max_bytes: u64) -> io::Result<()> {
    if metadata.is_file() && metadata.len() <= max_bytes {
        return Ok(());
    }
    let said = if metadata.is_file() {
        format!("it is larger than {max_bytes} bytes")
    } else {
        "it is no ordinary file".to_owned()
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_ordinary_file_of_that_size_is_read() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        fs::write(&path, b"public").unwrap();
        assert_eq!(read_ordinary_file(&path, 6).unwrap(), b"public");
        let refused = |path: &Path| read_ordinary_file(path, 5).unwrap_err().kind();
        let (device, queue) = (Path::new("/dev/zero"), home.path().join("queue"));
        let made = std::process::Command::new("mkfifo").arg(&queue).status();
        assert!(made.unwrap().success());
        for path in [&path, home.path(), device, &queue] {
            assert!(check_ordinary_file(path, 5).is_err(), "{}", path.display());
            assert_eq!(
                refused(path),
                io::ErrorKind::InvalidInput,
                "{}",
                path.display()
            );
        }
        assert_eq!(refused(&home.path().join("none")), io::ErrorKind::NotFound);
    }

    #[test]
    fn text_is_utf_8() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        fs::write(&path, b"\xff").unwrap();
        let refused = read_ordinary_text(&path, 6).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
        fs::write(&path, "héllo").unwrap();
        assert_eq!(read_ordinary_text(&path, 6).unwrap(), "héllo");
    }
}
