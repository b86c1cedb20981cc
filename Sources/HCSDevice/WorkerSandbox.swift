import Glibc
package import HCSModel
import HCSSystem

/// What a worker gives up before it opens a vendor's library.
package enum WorkerSandbox {
    /// No new privileges, no core files (they would hold the driver's and users' data), few capabilities, no system calls
    /// that change the machine, SIGTERM only between calls, a name that `ps` shows. What a library needs to ask its
    /// device stays: memory, threads, files, devices, sockets.
    /// Not tied to the agent's death by a signal: it ends by itself when its socket closes, between calls.
    package static func enter(vendor: Vendor) {
        ThisProcess.refuseNewPrivileges()
        ThisProcess.keepCapabilities(capabilities(for: vendor))
        ThisProcess.refuseAdministration()
        ThisProcess.disableCoreFiles()
        var terminate = sigset_t()
        sigemptyset(&terminate)
        sigaddset(&terminate, SIGTERM)
        sigprocmask(SIG_BLOCK, &terminate, nil)
        signal(SIGPIPE, SIG_IGN)
        ThisProcess.nameThread("hcs-\(vendor.rawValue)")
    }

    /// What stays of root's power. NVML and ROCm SMI answer every user; as root NVML makes missing device files
    /// (nvidia-modprobe), which needs CAP_MKNOD. DCMI and CNDEV are closed and cannot be tried here: they keep what
    /// drivers commonly ask an ioctl for, and lose the rest.
    package static func capabilities(for vendor: Vendor) -> [String] {
        switch vendor {
        case .nvidia: ["CAP_MKNOD"]
        case .hygon: []
        case .ascend, .cambricon: ["CAP_DAC_OVERRIDE", "CAP_IPC_LOCK", "CAP_SYS_ADMIN", "CAP_SYS_RAWIO"]
        }
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
