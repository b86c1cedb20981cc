import Glibc
package import HCSModel
import HCSSystem

/// What a worker gives up before it opens a vendor's library.
package enum WorkerSandbox {
    /// No new privileges, no core files (they would hold the driver's and users' data), SIGTERM only between calls, a
    /// name that `ps` shows. Nothing that a library might need is taken: memory, threads, files and devices stay.
    /// Not tied to the agent's death by a signal: it ends by itself when its socket closes, between calls.
    package static func enter(vendor: Vendor) {
        ThisProcess.refuseNewPrivileges()
        ThisProcess.disableCoreFiles()
        var terminate = sigset_t()
        sigemptyset(&terminate)
        sigaddset(&terminate, SIGTERM)
        sigprocmask(SIG_BLOCK, &terminate, nil)
        signal(SIGPIPE, SIG_IGN)
        ThisProcess.nameThread("hcs-\(vendor.rawValue)")
    }

    /// The descriptor requests come by: the socket the agent gave, kept from the children vendor libraries start
    /// (nvidia-modprobe), or nil where the program was started by hand.
    package static func claimSocket() -> Int32? {
        var type: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(WorkerProtocol.descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0 else { return nil }
        _ = fcntl(WorkerProtocol.descriptor, F_SETFD, FD_CLOEXEC)
        return WorkerProtocol.descriptor
    }
}
