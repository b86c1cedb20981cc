import Foundation
import Glibc

/// One scheduler per state directory: an flock that dies with the process.
struct StateLock: Sendable {
    private let descriptor: Int32

    init(directory: String) throws(SchedulerError) {
        let path = directory + "/lock"
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw SchedulerError(.state, "cannot open the lock file \(path): \(String(cString: strerror(errno)))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw SchedulerError(.inUse, "another scheduler uses \(directory): stop it or choose another --state-dir")
        }
        self.descriptor = descriptor
    }

    func release() { close(descriptor) }
}
