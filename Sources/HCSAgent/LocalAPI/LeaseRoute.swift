package import HCSAPI
import HCSHTTP
import Hummingbird

/// `POST /v1/local/leases`: whoever may open the socket may lease; the lease belongs to the user at the other end.
package struct LeaseRoute: Sendable {
    private let lease: @Sendable (LeaseRequest, LeasePeer) async throws(APIProblem) -> Lease

    package init(_ lease: @escaping @Sendable (LeaseRequest, LeasePeer) async throws(APIProblem) -> Lease) {
        self.lease = lease
    }

    func add(to router: Router<LocalRequestContext>) {
        router.post("\(Routes.localLeases)") { request, context in
            let body = try await request.body.collect(upTo: context.maxUploadSize)
            let asked: LeaseRequest
            do { asked = try HCSJSON.decode(LeaseRequest.self, from: .init(body.readableBytesView)) } catch {
                throw APIProblem.badRequest(HCSJSON.explain(error))
            }
            let peer = try await context.peer()
            return try jsonResponse(
                await lease(asked, LeasePeer(pid: peer.pid, uid: peer.uid, gid: peer.gid)), status: .created)
        }
    }
}
