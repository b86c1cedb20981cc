import HCSModel
import Testing

@Suite struct PrintableTextTests {
    @Test(
        arguments: [
            ("NVIDIA H100\0garbage", "NVIDIA H100"), ("  a  ", "a"), ("\u{1b}[31mred\u{7}", "?[31mred?"), ("", nil),
            ("\0", nil), ("   ", nil), (String(repeating: "x", count: 500), String(repeating: "x", count: 96)),
        ] as [(String, String?)])
    func `text of a library is bounded and made printable`(text: String, clean: String?) {
        #expect(PrintableText.clean(text) == clean)
    }

    @Test(arguments: ["", "../etc", ".", "a b", "a/b", "a\"b", "é", String(repeating: "x", count: 97)])
    func `what could be a path, a label's end or nothing is no identity`(text: String) {
        #expect(!PrintableText.isIdentity(text))
    }

    @Test(arguments: ["GPU-5a1b", "8f00-00", "0000:3b:00.0", "MLU_1.2"])
    func `identities as vendors write them are taken`(text: String) {
        #expect(PrintableText.isIdentity(text))
    }

    @Test func `text of processes and hardware keeps its length and its blanks`() {
        #expect(PrintableText.of(" a\0b\u{1b}c ".utf8) == " a?b?c ")
        #expect(PrintableText.of(Array(repeating: 0x61, count: 500)).utf8.count == 256)
        #expect(PrintableText.of("abc".utf8, limit: 2) == "ab")
    }
}
