import HCSModel
import Testing

@Suite struct ByteCountTests {
    @Test(arguments: [
        ("0", 0), ("1", 1), ("4096", 4096), ("8Gi", 8 << 30), ("1Ti", 1 << 40), ("512Mi", 512 << 20), ("3Ki", 3072),
        ("2K", 2000), ("2M", 2_000_000), ("2G", 2_000_000_000), ("2T", 2_000_000_000_000),
        ("18446744073709551615", UInt64.max), ("16777215Ti", 16_777_215 << 40), ("007Gi", 7 << 30),
    ])
    func `a size of the grammar is read`(text: String, bytes: UInt64) throws {
        #expect(try ByteCount.parse(text).bytes == bytes)
    }

    @Test(arguments: [
        "", " 8Gi", "8Gi ", "8 Gi", "-1Gi", "+1Gi", "1.5Gi", "8GB", "8GiB", "8gi", "8GI", "8k", "Gi", "abc", "0x10",
        "1e9",
        "18446744073709551616", "16777216Ti", "99999999999999999999999Gi", "8Gi8Gi", "٣Gi", "8Gi\0", "8,0Gi", "1_000",
    ])
    func `anything else is an error, never a guess`(text: String) {
        #expect(throws: ModelError.self) { try ByteCount.parse(text) }
    }

    @Test func `every printed unit is read back at or below its value`() throws {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<1000 {
            let value = ByteCount(UInt64.random(in: 0...(1 << 50), using: &generator))
            let text = value.description
            guard !text.contains(".") else { continue }
            #expect(try ByteCount.parse(text).bytes <= value.bytes)
        }
    }

    @Test(arguments: [
        (UInt64(0), "0"), (1023, "1023"), (1 << 30, "1Gi"), (85_520_809_984, "79.6Gi"), (1536 << 20, "1.5Gi"),
    ])
    func `a size is printed with at most one decimal`(bytes: UInt64, text: String) {
        #expect(ByteCount(bytes).description == text)
    }

    @Test func `sums and differences saturate`() {
        #expect(ByteCount(.max).adding(ByteCount(1)) == ByteCount(.max))
        #expect(ByteCount(1).subtracting(ByteCount(2)) == .zero)
    }
}
