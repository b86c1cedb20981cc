import Glibc
package import HummingbirdCore
import NIOCore

/// What every server of ours sets against clients that connect and say nothing.
package enum ServerLimits {
    /// A connection without a request on its way is closed after this; a long poll is a request on its way.
    package static let idleSeconds: Int64 = 60
    /// Descriptors that are left for everything else in the process.
    private static let reserve = 256

    package static func http1(idleSeconds: Int64 = idleSeconds) -> HTTPServerBuilder {
        .http1(configuration: .init(idleTimeout: .seconds(idleSeconds)))
    }

    /// At most `wanted` connections at once, and never so many that the process runs out of descriptors: the others wait
    /// in the kernel's queue.
    package static func connections(_ wanted: Int) -> MaximumAvailableConnections {
        MaximumAvailableConnections(max(16, min(wanted, descriptors() - reserve)))
    }

    /// How many descriptors the process may have; raises the soft limit to the hard one, as far as a server needs it.
    private static func descriptors() -> Int {
        let most: rlim_t = 65_536
        let nofile = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(nofile, &limit) == 0 else { return 1024 }
        if limit.rlim_cur < min(limit.rlim_max, most) {
            let old = limit.rlim_cur
            limit.rlim_cur = min(limit.rlim_max, most)
            if setrlimit(nofile, &limit) != 0 { limit.rlim_cur = old }
        }
        return Int(min(limit.rlim_cur, most))
    }
}
