import HCSAPI
import HCSSystem
import Hummingbird

/// Lets in root, the agent's own user and the socket's group; anybody else gets 403. The socket's mode says the same, but a
/// mode can be changed by mistake and has a moment after bind(2) in which the umask alone decides.
struct PeerMiddleware: RouterMiddleware {
    typealias Context = LocalRequestContext

    let socketPath: String
    let ownUser: UInt32

    func handle(
        _ request: Request, context: LocalRequestContext, next: (Request, LocalRequestContext) async throws -> Response
    ) async throws -> Response {
        let peer: LocalRequestContext.Peer
        do { peer = try await context.peer() } catch {
            throw APIProblem.forbidden("the agent cannot tell who is asking: \(error)")
        }
        guard peer.uid == 0 || peer.uid == ownUser || peer.gid == socketGroup() else {
            throw APIProblem.forbidden(
                "user \(peer.uid) may not use \(socketPath): root, the agent's user and the socket's group may")
        }
        return try await next(request, context)
    }

    /// Looked up each time: an administrator may give the socket to another group. nil when it is root's: then a process of
    /// the group root is not enough, since the default group of the socket is nobody's decision.
    private func socketGroup() -> UInt32? {
        guard let group = SmallFile.group(of: socketPath), group != 0 else { return nil }
        return group
    }
}
