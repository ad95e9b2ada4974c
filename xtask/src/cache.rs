//! The cache folder: things that take minutes to build, each in a folder named after a hash of what it was built from.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// `$XDG_CACHE_HOME/loadline`, or `~/.cache/loadline`. It may be deleted at any time.
fn folder() -> Result<PathBuf> {
    let base = match std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        Some(base) => PathBuf::from(base),
        None => {
            PathBuf::from(std::env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?).join(".cache")
        }
    };
    Ok(base.join("loadline"))
}

/// The folder `name` of the cache; `build` fills it when it is not there yet.
///
/// `build` gets an empty folder that takes its final name only when it succeeded, so a build that was stopped leaves nothing
/// that looks finished. A lock keeps a second run waiting instead of building the same again.
pub(crate) fn entry(name: &str, build: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    entry_in(&folder()?, name, build)
}

fn entry_in(cache: &Path, name: &str, build: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let done = cache.join(name);
    if done.is_dir() {
        return Ok(done);
    }
    fs::create_dir_all(cache).with_context(|| format!("can not create {}", cache.display()))?;
    let lock_path = cache.join("lock");
    let lock = File::create(&lock_path).with_context(|| format!("can not open {}", lock_path.display()))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            eprintln!("==> waiting: another run is building into {}", cache.display());
            lock.lock()?;
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("can not lock {}", lock_path.display()));
        }
    }
    // The run that we waited for may have built it.
    if done.is_dir() {
        return Ok(done);
    }
    // Only the holder of the lock comes here, so one name for work in progress is enough.
    let unfinished = cache.join("unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).with_context(|| format!("can not remove {}", unfinished.display()))?;
    }
    fs::create_dir(&unfinished).with_context(|| format!("can not create {}", unfinished.display()))?;
    build(&unfinished)?;
    fs::rename(&unfinished, &done).with_context(|| format!("can not create {}", done.display()))?;
    Ok(done)
}

/// A key from the things that something is built from.
///
/// FNV-1a over 128 bits: a cache has no adversary, and the standard library's hasher may change with the compiler.
pub(crate) struct Key(u128);

impl Key {
    /// The key of nothing.
    pub(crate) fn new() -> Self {
        Self(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    /// Takes in one part; the parts "ab", "c" and "a", "bc" give different keys.
    pub(crate) fn part(mut self, part: impl AsRef<[u8]>) -> Self {
        let part = part.as_ref();
        for byte in (part.len() as u64).to_le_bytes().iter().chain(part) {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b);
        }
        self
    }

    /// Takes in a file: its name below `base`, and its bytes.
    pub(crate) fn file(self, base: &Path, path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("can not read {}", path.display()))?;
        Ok(self.part(path.strip_prefix(base).unwrap_or(path).to_string_lossy().as_bytes()).part(bytes))
    }

    /// 16 hexadecimal digits, for a folder's name.
    pub(crate) fn hex(&self) -> String {
        format!("{:016x}", (self.0 >> 64) as u64 ^ self.0 as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::{Key, entry_in};

    /// A folder of this test's own, below cargo's folder for that.
    fn scratch(test: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("loadline-xtask-{test}-{}", std::process::id()));
        if folder.exists() {
            fs::remove_dir_all(&folder).expect("the folder is ours");
        }
        folder
    }

    #[test]
    fn an_entry_is_built_once_also_when_two_ask() {
        let cache = scratch("once");
        let builds = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let folder = entry_in(&cache, "x-1", |folder| {
                        builds.fetch_add(1, Ordering::SeqCst);
                        std::thread::sleep(std::time::Duration::from_millis(50));
                        Ok(fs::write(folder.join("file"), "built")?)
                    });
                    let file = folder.expect("it builds").join("file");
                    assert_eq!(fs::read_to_string(file).expect("it was built"), "built");
                });
            }
        });
        assert_eq!(builds.load(Ordering::SeqCst), 1);
        fs::remove_dir_all(cache).expect("the folder is ours");
    }

    #[test]
    fn a_failed_build_leaves_no_entry() {
        let cache = scratch("failed");
        let failed = entry_in(&cache, "x-1", |folder| {
            fs::write(folder.join("half"), "")?;
            anyhow::bail!("stopped")
        });
        assert!(failed.is_err());
        assert!(!cache.join("x-1").exists());
        let folder = entry_in(&cache, "x-1", |_| Ok(())).expect("it builds");
        assert_eq!(fs::read_dir(folder).expect("it is there").count(), 0, "nothing of the failed build is left");
        fs::remove_dir_all(cache).expect("the folder is ours");
    }

    #[test]
    fn keys_tell_parts_apart() {
        let key = |parts: &[&str]| parts.iter().fold(Key::new(), Key::part).hex();
        assert_eq!(key(&["ab", "c"]), key(&["ab", "c"]));
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_ne!(key(&["ab", "c"]), key(&["ab", "d"]));
        assert_eq!(key(&[]).len(), 16);
    }
}
