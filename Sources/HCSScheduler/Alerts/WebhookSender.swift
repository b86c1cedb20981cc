package import Foundation
import HCSAPI

/// Posts alerts. With a secret each has `X-HCS-Timestamp` (seconds since 1970) and `X-HCS-Signature`:
/// `sha256=` and the HMAC in hexadecimal of the timestamp, a full stop and the body.
package struct WebhookSender: AlertSender {
    package let name: String
    private let url: String
    private let secret: [UInt8]?
    private let timeout: Duration
    private let client = WebhookClient()

    package init(url: String, name: String, secret: [UInt8]?, timeout: Duration) {
        self.url = url
        self.name = name
        self.secret = secret
        self.timeout = timeout
    }

    package func send(_ body: Data) async throws {
        var headers = ["User-Agent": "hcs-scheduler"]
        if let secret {
            let timestamp = String(Int64(Date().timeIntervalSince1970))
            headers["X-HCS-Timestamp"] = timestamp
            headers["X-HCS-Signature"] = Self.signature(timestamp: timestamp, body: body, secret: secret)
        }
        let status: Int
        do { status = try await client.post(body, to: url, headers: headers, timeout: timeout) } catch let error
            as ClientError
        {
            throw AlertError(error.message)
        }
        guard !(200..<300).contains(status) else { return }
        throw AlertError("HTTP \(status)", isTransient: status >= 500 || status == 408 || status == 429)
    }

    package static func signature(timestamp: String, body: Data, secret: [UInt8]) -> String {
        "sha256=" + HMAC.hex(HMAC.sha256(Array("\(timestamp).".utf8) + body, key: secret))
    }

    package func close() async { await client.shutdown() }
}
