import Foundation
import Metrics
import Testing

@testable import Tasks

/// Where GLUE lies: `GLUE_DIR`, with folders `CoLA`, `SST-2`, ….
private let glueDirectory = ProcessInfo.processInfo.environment["GLUE_DIR"]

@Suite(.enabled(if: glueDirectory != nil, "GLUE_DIR is not set"))
struct OfficialFilesTests {
  static func load(_ name: String, _ folder: String, _ split: Split) throws -> [Example] {
    let directory = try #require(glueDirectory) + "/" + folder
    let dataset = try TaskData(options(name, dataDir: directory)).load(split)
    #expect(dataset.skipped.isEmpty)
    return dataset.examples
  }

  @Test(arguments: [
    ("cola", "CoLA", [8551, 1043, 1063]), ("sst2", "SST-2", [67349, 872, 1821]), ("mrpc", "MRPC", [3668, 408, 1725]),
    ("stsb", "STS-B", [5749, 1500, 1379]), ("wnli", "WNLI", [635, 71, 146]),
  ])
  func haveTheOfficialCounts(name: String, folder: String, counts: [Int]) throws {
    for (split, count) in zip([Split.train, .validation, .test], counts) {
      let examples = try Self.load(name, folder, split)
      #expect(examples.count == count)
      #expect(examples.allSatisfy { ($0.label == nil) == (split == .test) })
    }
  }

  @Test(arguments: [("mnli", "MNLI"), ("qqp", "QQP"), ("qnli", "QNLI")])
  func samplesLoad(name: String, folder: String) throws {
    for split in [Split.train, .validation] {
      let examples = try Self.load(name, folder, split)
      #expect(!examples.isEmpty)
      #expect(examples.allSatisfy { $0.label != nil && $0.pair?.isEmpty == false })
    }
  }

  @Test func sst2KeepsTrailingSpaces() throws {
    let first = try #require(Self.load("sst2", "SST-2", .train).first)
    #expect(first.text == "hide new secretions from the parental units " && first.label == .classIndex(0))
    #expect(first.line == 2 && first.file.hasSuffix("SST-2/train.tsv"))
  }

  @Test func mrpcHasAByteOrderMarkAndOddQuotes() throws {
    let dev = try Self.load("mrpc", "MRPC", .validation)
    #expect(dev.first?.label == .classIndex(1))
    #expect(dev.first?.pair == "\" The foodservice pie business does not fit our long-term growth strategy .")
    let odd = try [Split.train, .validation, .test].map { split in
      try Self.load("mrpc", "MRPC", split).count { example in
        (example.text + (example.pair ?? "")).count { $0 == "\"" } % 2 == 1
      }
    }
    #expect(odd == [169, 16, 85])
  }

  @Test func stsbScoresLieBetween0And5() throws {
    let labels = try Self.load("stsb", "STS-B", .train).compactMap(\.label)
    #expect(
      labels.allSatisfy { label in
        if case .score(let score) = label { (0...5).contains(score) } else { false }
      })
  }
}

@Suite struct QuickstartDataTests {
  @Test func loadsAsSST2() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../configs/quickstart-data").path
    let task = try TaskData(options("sst2", dataDir: folder))
    let train = try task.load(.train).examples, dev = try task.load(.validation).examples
    #expect(train.count == 1600 && dev.count == 400)
    #expect(Set(train.map(\.text)).isDisjoint(with: dev.map(\.text)))
    #expect((180...220).contains(dev.count { $0.label == .classIndex(1) }))
  }
}
