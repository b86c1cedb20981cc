extension JSONValue {
    /// Deeper values than this are refused: the worker's deepest answer has five levels, and recursion is on the stack.
    package static let maximumDepth = 16

    /// Reads one JSON value (RFC 8259) that fills the bytes. Total: it returns or throws for every input.
    /// Refused as well: duplicate keys, lone surrogates, invalid UTF-8, numbers beyond a double, more than
    /// `maximumDepth` levels.
    package init(parsing bytes: [UInt8]) throws(DeviceError) {
        var reader = JSONReader(bytes: bytes)
        reader.skipBlanks()
        let value = try reader.value(depth: 0)
        reader.skipBlanks()
        guard reader.position == bytes.count else { throw reader.error("something follows the value") }
        self = value
    }
}

private struct JSONReader {
    let bytes: [UInt8]
    var position = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    func error(_ why: String) -> DeviceError {
        DeviceError(.badReply, "JSON at byte \(position) is not understood: \(why)")
    }

    mutating func skipBlanks() {
        while let byte = next, byte == 0x20 || (byte >= 9 && byte <= 13 && byte != 11 && byte != 12) { position += 1 }
    }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    mutating func value(depth: Int) throws(DeviceError) -> JSONValue {
        guard depth < JSONValue.maximumDepth else { throw error("it is nested too deeply") }
        guard let byte = next else { throw error("it ends early") }
        switch byte {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return try number()
        }
    }

    private mutating func word(_ text: String, _ value: JSONValue) throws(DeviceError) -> JSONValue {
        guard bytes[position...].starts(with: text.utf8) else { throw error("'\(text)' was expected") }
        position += text.utf8.count
        return value
    }

    private mutating func object(depth: Int) throws(DeviceError) -> JSONValue {
        position += 1
        var fields: [String: JSONValue] = [:]
        skipBlanks()
        if take("}") { return .object(fields) }
        repeat {
            skipBlanks()
            let key = try string()
            skipBlanks()
            guard take(":") else { throw error("':' was expected") }
            skipBlanks()
            let field = try value(depth: depth + 1)
            guard fields.updateValue(field, forKey: key) == nil else { throw error("a key is there twice") }
            skipBlanks()
        } while take(",")
        guard take("}") else { throw error("'}' was expected") }
        return .object(fields)
    }

    private mutating func array(depth: Int) throws(DeviceError) -> JSONValue {
        position += 1
        var values: [JSONValue] = []
        skipBlanks()
        if take("]") { return .array(values) }
        repeat {
            skipBlanks()
            values.append(try value(depth: depth + 1))
            skipBlanks()
        } while take(",")
        guard take("]") else { throw error("']' was expected") }
        return .array(values)
    }

    private mutating func string() throws(DeviceError) -> String {
        guard take("\"") else { throw error("a string was expected") }
        var text: [UInt8] = []
        while let byte = next {
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = String(validating: text, as: UTF8.self) else { throw error("a string is not UTF-8") }
                return string
            case UInt8(ascii: "\\"): try escape(into: &text)
            case 0..<0x20: throw error("a string holds a control character")
            default: text.append(byte)
            }
        }
        throw error("a string does not end")
    }

    private mutating func escape(into text: inout [UInt8]) throws(DeviceError) {
        guard let byte = next else { throw error("an escape does not end") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(8)
        case UInt8(ascii: "f"): text.append(12)
        case UInt8(ascii: "n"): text.append(10)
        case UInt8(ascii: "r"): text.append(13)
        case UInt8(ascii: "t"): text.append(9)
        case UInt8(ascii: "u"):
            var code = try hexadecimal()
            if (0xd800..<0xdc00).contains(code) {
                guard take("\\"), take("u") else { throw error("a surrogate stands alone") }
                let low = try hexadecimal()
                guard (0xdc00..<0xe000).contains(low) else { throw error("a surrogate stands alone") }
                code = 0x10000 + (code - 0xd800) << 10 + (low - 0xdc00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw error("a surrogate stands alone") }
            text += Array(String(Character(scalar)).utf8)
        default: throw error("an escape is unknown")
        }
    }

    private mutating func hexadecimal() throws(DeviceError) -> UInt32 {
        guard position + 4 <= bytes.count else { throw error("an escape does not end") }
        var code: UInt32 = 0
        for byte in bytes[position..<position + 4] {
            guard byte < 0x80, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw error("an escape is not hexadecimal")
            }
            code = code << 4 | UInt32(digit)
        }
        position += 4
        return code
    }

    private mutating func number() throws(DeviceError) -> JSONValue {
        let start = position
        let negative = take("-")
        let leadingZero = next == UInt8(ascii: "0")
        guard let digits = takeDigits(), !leadingZero || digits == 1 else { throw error("a value was expected") }
        var integral = true
        if take(".") {
            integral = false
            guard takeDigits() != nil else { throw error("a fraction has no digits") }
        }
        if take("e") || take("E") {
            integral = false
            if !take("+") { _ = take("-") }
            guard takeDigits() != nil else { throw error("an exponent has no digits") }
        }
        guard position - start <= 64 else { throw error("a number is too long") }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if integral, !negative, let value = UInt64(text) { return .unsigned(value) }
        if integral, negative, let value = Int64(text) { return JSONValue(value) }
        guard let value = Double(text), value.isFinite else { throw error("a number is out of range") }
        return .number(value)
    }

    private mutating func takeDigits() -> Int? {
        let start = position
        while let byte = next, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") { position += 1 }
        return position > start ? position - start : nil
    }
}
