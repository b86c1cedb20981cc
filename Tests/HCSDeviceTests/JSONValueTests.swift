import HCSDevice
import HCSModel
import HCSTestSupport
import Testing

@Suite struct JSONValueTests {
    @Test(arguments: [
        JSONValue.null, true, .unsigned(.max), .negative(.min), .number(1.5), .number(-1e300), "", "plain",
        "quote \" backslash \\ newline \n nul \u{0} escape \u{1b} delete \u{7f} é 漢 🙂", .array([]), .object([:]),
        .array([.null, .array([.bool(false)]), .object(["a": .object(["b": "c"])])]),
    ])
    func `what is written is read back the same`(value: JSONValue) throws {
        let bytes = value.utf8
        #expect(try JSONValue(parsing: bytes) == value)
        #expect(bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7f }, "a reply is one line without control characters")
    }

    @Test func `figures that JSON cannot hold are written as null`() {
        #expect(JSONValue.number(.infinity).utf8 == Array("null".utf8))
        #expect(JSONValue.number(.nan).utf8 == Array("null".utf8))
    }

    @Test func `all forms of the standard are read`() throws {
        let text = #" { "a" : [ 1 , -0.5e+2 , true , null ] , "\u0062\/" : "\ud83d\ude42\t" } "#
        #expect(
            try JSONValue(parsing: Array(text.utf8))
                == .object(["a": .array([.unsigned(1), .number(-50), true, .null]), "b/": "🙂\t"]))
        #expect(try JSONValue(parsing: Array("18446744073709551616".utf8)) == .number(18_446_744_073_709_551_616))
    }

    @Test(arguments: [
        "", " ", "{", "[", "[1,]", "{\"a\":1,}", "{\"a\"}", "{a:1}", "{\"a\":1,\"a\":2}", "\"", "\"\\x\"", "\"\\u12\"",
        "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\u{1}\"", "01", "-", "+1", "1.", ".5", "1e", "1e999",
        "nul",
        "truex", "1 2", "[1] x", "'a'", "NaN", String(repeating: "[", count: 100_000),
        String(repeating: "9", count: 100),
    ])
    func `what is no JSON is refused`(text: String) {
        #expect(throws: DeviceError.self) { try JSONValue(parsing: Array(text.utf8)) }
    }

    @Test func `invalid UTF-8 is refused`() {
        #expect(throws: DeviceError.self) { try JSONValue(parsing: [0x22, 0xff, 0x22]) }
        #expect(throws: DeviceError.self) { try JSONValue(parsing: [0x22, 0xc0, 0x80, 0x22]) }
    }

    @Test func `values nested to the limit are read, one level more is not`() throws {
        let limit = JSONValue.maximumDepth
        func nested(_ depth: Int) -> [UInt8] {
            Array((String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).utf8)
        }
        _ = try JSONValue(parsing: nested(limit))
        #expect(throws: DeviceError.self) { try JSONValue(parsing: nested(limit + 1)) }
    }

    @Test(arguments: 0..<8)
    func `no input makes the reader fail otherwise than by an error`(seed: UInt64) {
        var random = SplitMix64(state: seed)
        let document = Array(#"{"id":7,"ok":{"devices":[{"id":"GPU-\u0041","memory":85899345920,"x":-1.5e3}]}}"#.utf8)
        let alphabet = Array("{}[]\",:\\u0123456789eE+-.tfn \u{0}ÿ".utf8)
        for _ in 0..<4000 {
            var bytes = document
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let position = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes.remove(at: position)
                case 1: bytes.insert(alphabet.randomElement(using: &random) ?? 0, at: position)
                case 2: bytes[position] = UInt8.random(in: 0...255, using: &random)
                default: bytes.removeSubrange(position...)
                }
                if bytes.isEmpty { bytes = [0x7b] }
            }
            if let value = try? JSONValue(parsing: bytes) {
                // What was understood is understood again after writing.
                #expect((try? JSONValue(parsing: value.utf8)) == value)
                _ = try? VendorInventory(json: value["ok"] ?? .null)
            }
        }
    }
}
