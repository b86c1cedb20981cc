import HCSModel
import HCSYAML
import Testing

@Suite struct YAMLDocumentTests {
    private struct Inner: Decodable, Equatable {
        var size: ByteCount
        var words: [String]?
        enum CodingKeys: String, CodingKey, CaseIterable { case size, words }
        init(from decoder: any Decoder) throws {
            try decoder.rejectUnknownKeys(CodingKeys.self)
            let c = try decoder.container(keyedBy: CodingKeys.self)
            size = try c.decode(ByteCount.self, forKey: .size)
            words = try c.decodeIfPresent([String].self, forKey: .words)
        }
    }
    private struct Outer: Decodable {
        var name: String
        var count: Int?
        var inner: [Inner]?
        enum CodingKeys: String, CodingKey, CaseIterable { case name, count, inner }
        init(from decoder: any Decoder) throws {
            try decoder.rejectUnknownKeys(CodingKeys.self)
            let c = try decoder.container(keyedBy: CodingKeys.self)
            name = try c.decode(String.self, forKey: .name)
            count = try c.decodeIfPresent(Int.self, forKey: .count)
            inner = try c.decodeIfPresent([Inner].self, forKey: .inner)
        }
    }

    private func problem(_ text: String) -> String {
        do throws(ModelError) {
            _ = try YAMLDocument(text, name: "job.yaml").decode(Outer.self)
            return "none"
        } catch { return error.message }
    }

    @Test func `a document is read, JSON too, and what is set goes over it`() throws {
        let yaml = "# comment\nname: a\ncount: 3\ninner:\n  - size: 8Gi\n    words: [x, '3']\n  - {size: 5}\n"
        var document = try YAMLDocument(yaml, name: "f")
        let outer = try document.decode(Outer.self)
        #expect(outer.name == "a" && outer.count == 3)
        #expect(outer.inner?.map(\.size.bytes) == [8 << 30, 5] && outer.inner?[0].words == ["x", "3"])
        document.set("name", to: "007")
        #expect(try document.decode(Outer.self).name == "007" && document.has("count") && !document.has("size"))
        #expect(try YAMLDocument(#"{"name": "j"}"#, name: "f").decode(Outer.self).name == "j")
        var empty = try YAMLDocument("# nothing\n", name: "f")
        empty.set("name", to: "n")
        #expect(try empty.decode(Outer.self).name == "n")
    }

    @Test(arguments: [
        ("name: a\ncount: x\n", "job.yaml line 2: count: "),
        ("name: a\ninner:\n  - size: 1\n  - size: 9Gb\n", "job.yaml line 4: inner[1].size: size '9Gb'"),
        ("name: a\ncuont: 3\n", "job.yaml line 2: unknown field 'cuont'; known: count, inner, name"),
        ("name: a\ninner:\n\n  - size: 1\n    wrods: []\n", "job.yaml line 5: inner[0]: unknown field 'wrods'"),
        ("\ncount: 3\n", "job.yaml line 2: field 'name' is missing"),
        ("name: a\nname: b\n", "'name' is there twice"),
        ("name: [a\n", "job.yaml line 2: "), ("- a\n", "job.yaml line 1: a mapping"), ("just text", "a mapping"),
        ("name: a\n\tcount: 3\n", "job.yaml line 2: "), ("name: 'a\n", "job.yaml line "),
        ("name: a\ncount: 99999999999999999999\n", "line 2: count: "),
    ])
    func `an error names file, line and field`(text: String, words: String) {
        #expect(problem(text).contains(words), "\(problem(text))")
    }

    @Test func `what would fill the memory is refused`() {
        #expect(problem(String(repeating: "a", count: YAMLDocument.maximumBytes + 1)).contains("larger than"))
        let deep = "name: " + String(repeating: "[", count: 40) + String(repeating: "]", count: 40)
        #expect(problem(deep).contains("levels"))
        var bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
        for level in 1...12 {
            let again = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ",")
            bomb += "a\(level): &a\(level) [\(again)]\n"
        }
        #expect(problem(bomb).contains("more than 20000 values"))
        for hostile in ["\u{0}", "name: \u{7}", "&a *a", "? ", "!!binary x", "%YAML 9.9\n---\nname: a"] {
            #expect(problem(hostile) != "none" || hostile.hasPrefix("%"))
        }
    }
}
