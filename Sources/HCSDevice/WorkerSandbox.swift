import Glibc
package import HCSModel

/// What a worker gives up before it opens a vendor's library.
package enum WorkerSandbox {
    /// No new privileges, no core files (they would hold the driver's and users' data), SIGTERM only between calls, a
    /// name that `ps` shows. Nothing that a library might need is taken: memory, threads, files and devices stay.
    /// Not tied to the agent's death by a signal: it ends by itself when its socket closes, between calls.
    package static func enter(vendor: Vendor) {
        refuseNewPrivileges()
        var none = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
        var terminate = sigset_t()
        sigemptyset(&terminate)
        sigaddset(&terminate, SIGTERM)
        sigprocmask(SIG_BLOCK, &terminate, nil)
        signal(SIGPIPE, SIG_IGN)
        rename("hcs-\(vendor.rawValue)")
    }

    /// prctl(2) is variadic in C and does not import. Its five arguments are words in registers on x86-64 and aarch64,
    /// variadic or not, so the plain signature calls it right.
    private static func refuseNewPrivileges() {
        typealias Prctl = @convention(c) (Int32, UInt, UInt, UInt, UInt) -> Int32
        guard let symbol = dlsym(nil, "prctl") else { return }
        _ = unsafeBitCast(symbol, to: Prctl.self)(38 /* PR_SET_NO_NEW_PRIVS */, 1, 0, 0, 0)
    }

    /// The kernel keeps 15 bytes of it.
    private static func rename(_ name: String) {
        guard let file = fopen("/proc/self/comm", "w") else { return }
        fputs(name, file)
        fclose(file)
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
