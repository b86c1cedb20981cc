import Glibc
import Logging

/// A state file that cannot be used is kept beside for people, never silently overwritten.
enum DamagedFile {
    /// The name stays until another file takes it: what was kept before is never taken for a new beginning.
    /// - Parameter lost: what that costs, for the log.
    static func setAside(_ path: String, _ error: any Error, _ lost: String, _ logger: Logger) {
        let aside = path + ".damaged"
        logger.error("\(path) is damaged and set aside as \(aside); \(lost): \(error)")
        unlink(aside)
        if link(path, aside) != 0 { rename(path, aside) }
    }
}
