import HCSAPI
package import HTTPTypes
package import Hummingbird
import NIOCore

package func jsonResponse(
    _ value: some Encodable, status: HTTPResponse.Status = .ok, type: String = "application/json"
) throws -> Response {
    Response(
        status: status, headers: [.contentType: type, .cacheControl: "no-store"],
        body: ResponseBody(byteBuffer: ByteBuffer(bytes: try HCSJSON.encode(value))))
}

extension Request {
    /// The body as JSON; a problem 400 says where and what is wrong with it.
    package func json<Value: Decodable>(_ type: Value.Type) async throws -> Value {
        let buffer = try await body.collect(upTo: APILimits.requestBody)
        do {
            return try HCSJSON.decode(type, from: .init(buffer.readableBytesView))
        } catch {
            throw APIProblem.badRequest(HCSJSON.explain(error))
        }
    }

    /// A query parameter that must be a whole number in `range`; `fallback` when it is absent.
    package func number(_ name: String, default fallback: Int, in range: ClosedRange<Int>) throws -> Int {
        guard let text = uri.queryParameters[Substring(name)] else { return fallback }
        guard let number = Int(text), range.contains(number) else {
            throw APIProblem.badRequest(
                "query parameter \(name)='\(text.prefix(40))' must be a whole number from \(range.lowerBound) to \(range.upperBound)"
            )
        }
        return number
    }
}
