import Glibc

/// Tells systemd about our state (sd_notify(3)): a datagram to $NOTIFY_SOCKET, nothing where it is not set.
package struct ServiceNotifier: Sendable {
    private let path: String?

    package init(environment: [String: String]) {
        let path = environment["NOTIFY_SOCKET"]
        self.path = path.flatMap { $0.hasPrefix("/") || $0.hasPrefix("@") ? $0 : nil }
    }

    /// `READY=1`, `STOPPING=1`, `STATUS=…`. Best effort: a service manager that does not listen is no failure of ours.
    package func send(_ state: String) {
        guard let path else { return }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var name = Array(path.utf8)
        guard name.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        if name.first == UInt8(ascii: "@") { name[0] = 0 }  // abstract namespace
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let socket = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return }
        defer { close(socket) }
        let offset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2
        let length = socklen_t(offset + name.count)
        _ = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                state.withCString { sendto(socket, $0, strlen($0), Int32(MSG_NOSIGNAL), generic, length) }
            }
        }
    }
}
