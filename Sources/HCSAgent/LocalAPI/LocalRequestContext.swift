import Hummingbird
import NIOCore

/// A request on the unix socket, with the connection it came on.
struct LocalRequestContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    private let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }

    /// The largest body is a lease request.
    var maxUploadSize: Int { 4096 }

    struct Peer: Hashable, Sendable {
        /// 0 when it is in a pid namespace that is not below ours.
        var pid: Int32
        var uid: UInt32
        var gid: UInt32
    }

    /// As the kernel lays out `struct ucred` (socket(7)).
    private struct KernelCredentials: Sendable {
        var pid: Int32 = 0
        var uid: UInt32 = 0
        var gid: UInt32 = 0
    }

    /// Who is at the other end (SO_PEERCRED, as it was at connect).
    func peer() async throws -> Peer {
        guard let socket = channel as? any SocketOptionProvider else {
            throw AgentError(.io, "the connection does not tell who is at its other end")
        }
        let option = NIOBSDSocket.Option(rawValue: 17)  // SO_PEERCRED, asm-generic/socket.h
        let found: KernelCredentials = try await socket.unsafeGetSocketOption(level: .socket, name: option).get()
        return Peer(pid: found.pid, uid: found.uid, gid: found.gid)
    }
}
