import HCSModel

/// What agent and vendor worker say to each other: lines of text over one socket.
///
///     7 sample\n
///     {"id":7,"ok":{…}}\n        or        {"error":{"code":"callFailed","message":"…","vendorCode":15},"id":7}\n
///
/// Plain words, so that a person can ask a worker by hand.
package enum WorkerProtocol {
    package enum Request: String, CaseIterable, Sendable {
        /// Opens the library, or opens it again after a failure.
        case hello
        case inventory
        case sample
        case symbols
        case quit
    }

    /// The longest reply line. 64 devices with all their figures and 256 processes each stay below it.
    package static let maximumReply = 1 << 21
    /// The longest request line.
    package static let maximumRequest = 64
    /// No host has more devices of one vendor (segment and simulated host have 64 entries).
    package static let maximumDevices = 64
    /// The largest users of each device are named; a device has rarely more than a dozen.
    package static let maximumProcesses = 256
    /// Error codes of one device's health call; a sick one has a handful.
    package static let maximumFaultCodes = 64
    /// The worker's end of the socket.
    package static let descriptor: Int32 = 3

    package static func line(_ number: UInt64, _ request: Request) -> [UInt8] {
        Array("\(number) \(request.rawValue)\n".utf8)
    }

    /// Reads `7 sample`, without the newline.
    package static func parse(_ line: some Sequence<UInt8>) -> (number: UInt64, request: Request)? {
        let words = String(decoding: Array(line), as: UTF8.self).split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 2, let number = UInt64(words[0]), let request = Request(rawValue: String(words[1])) else {
            return nil
        }
        return (number, request)
    }

    /// The reply line with its newline. One that would be too long becomes an error of its own.
    package static func reply(_ number: UInt64, _ result: Result<JSONValue, DeviceError>) -> [UInt8] {
        var line: [UInt8]
        switch result {
        case .success(let value): line = JSONValue(fields: [("id", JSONValue(number)), ("ok", value)]).utf8
        case .failure(let error):
            let text = PrintableText.clean(error.message, limit: 2048) ?? "no reason given"
            let fields = JSONValue(fields: [
                ("code", .string(error.code.rawValue)), ("message", .string(text)),
                ("vendorCode", error.vendorCode.map { JSONValue($0) }),
            ])
            line = JSONValue(fields: [("id", JSONValue(number)), ("error", fields)]).utf8
        }
        guard line.count < maximumReply else {
            return reply(number, .failure(DeviceError(.replyTooLong, "the answer has \(line.count) bytes")))
        }
        line.append(UInt8(ascii: "\n"))
        return line
    }

    /// The value of a reply to request `number`.
    /// - Throws: the worker's own error, or `badReply` for what is no reply to that request.
    package static func value(of line: [UInt8], number: UInt64) throws(DeviceError) -> JSONValue {
        let reply = try JSONValue(parsing: line)
        guard reply["id"]?.integer(UInt64.self) == number else {
            throw DeviceError(.badReply, "the worker's reply is not to request \(number)")
        }
        if let value = reply["ok"] { return value }
        guard let error = reply["error"], let code = error["code"]?.string.flatMap({ DeviceError.Code(rawValue: $0) })
        else { throw DeviceError(.badReply, "the worker's reply is neither a value nor an error") }
        throw DeviceError(
            code, error["message"]?.string.flatMap { PrintableText.clean($0, limit: 2048) } ?? "no reason given",
            vendorCode: error["vendorCode"]?.integer())
    }
}
