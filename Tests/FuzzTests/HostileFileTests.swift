import Adapters
import Checkpoints
import Configuration
import Diagnostics
import Foundation
import StrictJSON
import Tasks
import Testing
import Tokenizers
import Training

@testable import Models

/// What stands where a file should, and files that no fuzzer makes for their size.
@Suite(.noHang)
struct HostileFileTests {
  /// The readers by the file that each opens in a directory.
  enum Reader: String, CaseIterable {
    case model = "model.safetensors"
    case index = "model.safetensors.index.json"
    case config = "config.json"
    case tokenizer = "tokenizer.json"
    case vocabulary = "vocab.txt"
    case adapter = "adapter_config.json"
    case table = "train.tsv"
    case sentencePiece = "tokenizer.model"
    case text = "train.txt"
    case instructions = "train.json"
    case choices = "train.jsonl"
    case meanings = "trainset.csv"
    case checkpoint = "checkpoints/step-00000003/manifest.json"
    case run = "run.json"

    func read(_ directory: String) throws {
      switch self {
      case .model, .index: _ = try WeightFiles(path: directory)
      case .config: _ = try ModelConfig(directory: directory)
      case .tokenizer, .vocabulary: _ = try Tokenizer(modelDirectory: directory, tokenizerClass: "BertTokenizer")
      case .sentencePiece: _ = try Tokenizer(modelDirectory: directory, tokenizerClass: "LlamaTokenizer")
      case .adapter: _ = try AdapterFile.read(directory, sites: manyMaps(8).sites)
      case .table: _ = try sst2(directory).load(.train)
      case .text: _ = try TextDocuments(path: "\(directory)/train.txt")
      case .instructions: _ = try ConversationFile(Table(path: "\(directory)/train.json"))
      case .choices: _ = try ChoiceQuestions(path: "\(directory)/train.jsonl")
      case .meanings: _ = try PromptedDataset(e2e: ["\(directory)/trainset.csv"], groups: true)
      case .checkpoint: _ = try CheckpointRehearsal.resume(directory, table: manyMaps(0), head: [])
      case .run: _ = try RunConfig.load(path: "\(directory)/run.json")
      }
    }
  }

  private let directory: String
  private let scratch: Scratch

  init() throws {
    scratch = try Scratch()
    directory = scratch.path
    try FileManager.default.createDirectory(
      atPath: "\(directory)/checkpoints/step-00000003", withIntermediateDirectories: true)
  }

  /// The error, which is one for people, of reading the directory.
  private func error(_ reader: Reader) -> (any UserFacingError)? {
    do {
      try reader.read(directory)
      Issue.record("read \(reader)")
    } catch let error as any UserFacingError {
      return error
    } catch {
      Issue.record("\(reader): an error without an exit status: \(error)")
    }
    return nil
  }

  @Test(arguments: Reader.allCases)
  func refusesAnEmptyFile(_ reader: Reader) throws {
    try Data().write(to: URL(fileURLWithPath: "\(directory)/\(reader.rawValue)"))
    #expect(error(reader)?.exitStatus == .badInput)
  }

  @Test(arguments: Reader.allCases)
  func refusesADirectory(_ reader: Reader) throws {
    try FileManager.default.createDirectory(
      atPath: "\(directory)/\(reader.rawValue)", withIntermediateDirectories: false)
    #expect(error(reader)?.description.lowercased().contains("is a directory") == true)
  }

  @Test(arguments: Reader.allCases)
  func doesNotWaitForAPipeThatNobodyWritesTo(_ reader: Reader) throws {
    #expect(mkfifo("\(directory)/\(reader.rawValue)", 0o600) == 0)
    #expect(error(reader) != nil)
  }

  @Test(arguments: Reader.allCases)
  func refusesADeviceWithoutEnd(_ reader: Reader) throws {
    #expect(symlink("/dev/zero", "\(directory)/\(reader.rawValue)") == 0)
    #expect(error(reader)?.description.contains("not a regular file") == true)
  }

  /// A terabyte that takes no room on the disk.
  @Test(arguments: Reader.allCases)
  func refusesASparseFileWithoutReadingIt(_ reader: Reader) throws {
    let path = "\(directory)/\(reader.rawValue)"
    try Data().write(to: URL(fileURLWithPath: path))
    try #require(truncate(path, 1 << 40) == 0)
    #expect(error(reader) != nil)
  }

  @Test func refusesAnAdapterLargerThanMemory() throws {
    let header = #"{"head.x":{"dtype":"F32","shape":[274877906944],"data_offsets":[0,1099511627776]}}"#
    let path = "\(directory)/adapter_model.safetensors"
    var bytes = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) }
    bytes.append(Data(header.utf8))
    try bytes.write(to: URL(fileURLWithPath: path))
    try #require(truncate(path, off_t(bytes.count) + 1 << 40) == 0)
    let config = """
      {"format": "swift-peft", "format_version": 1, "strategy": "none", "r": 1, "lora_alpha": 1, "lora_dropout": 0,
       "use_rslora": false, "target_modules": [], "base_model_name_or_path": "m", "model_type": "bert",
       "task_type": "SEQ_CLS", "labels": [], "step": 1, "sites": {}}
      """
    try Data(config.utf8).write(to: URL(fileURLWithPath: "\(directory)/adapter_config.json"))
    #expect(error(.adapter)?.description.contains("1099511627776 bytes of tensors") == true)
    #expect(throws: Never.self) { try SafetensorsFile(path: path) }
  }

  // MARK: - Paths

  private static let tensor = Data(
    [57, 0, 0, 0, 0, 0, 0, 0] + Array(#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}   "#.utf8) + [
      0, 0, 0, 0,
    ])

  private func index(_ shard: String) throws {
    let text = JSONWriter.text(["weight_map": ["a": .string(shard)]], pretty: false)
    try Data(text.utf8).write(to: URL(fileURLWithPath: "\(directory)/model.safetensors.index.json"))
  }

  @Test(arguments: [
    "../a.safetensors", "x/../../a.safetensors", "x/..", "..", "/etc/passwd", "//a", "x//a", "x/", "", "a\0/../../b",
    "outside/a.safetensors", "x/outside/a.safetensors", "../\u{301}", "outside/\u{301}",
  ])
  func anIndexCannotNameAFileOutside(shard: String) throws {
    let outside = try Scratch()
    try Self.tensor.write(to: URL(fileURLWithPath: outside.path + "/a.safetensors"))
    // To Swift a slash and such a mark are one character, to the system a slash and a name.
    try Self.tensor.write(to: URL(fileURLWithPath: outside.path + "/\u{301}"))
    try FileManager.default.createDirectory(atPath: directory + "/x", withIntermediateDirectories: false)
    #expect(symlink(outside.path, directory + "/outside") == 0)
    #expect(symlink(outside.path, directory + "/x/outside") == 0)
    try index(shard)
    let error = error(.index)
    #expect(error?.exitStatus == .badInput)
    #expect(error?.description.contains("is not a path inside the model directory") == true)
  }

  /// The Hub's cache has links for files, and a link to the whole directory is nobody's harm.
  @Test func linksToFilesAndWithinTheDirectoryAreFollowed() throws {
    let store = try Scratch()
    try Self.tensor.write(to: URL(fileURLWithPath: store.path + "/blob"))
    try FileManager.default.createDirectory(atPath: directory + "/x", withIntermediateDirectories: false)
    #expect(symlink(store.path + "/blob", directory + "/x/a.safetensors") == 0)
    #expect(symlink("x", directory + "/y") == 0)
    #expect(symlink(directory, store.path + "/model") == 0)
    for shard in ["x/a.safetensors", "y/a.safetensors", "./x/a.safetensors"] {
      try index(shard)
      #expect(try WeightFiles(path: directory).names == ["a"])
      #expect(try WeightFiles(path: store.path + "/model").names == ["a"])
    }
  }

  // MARK: - Size

  @Test(arguments: ["[", "{\"a\":", "[{\"a\":"])
  func deepNestingIsRefused(piece: String) throws {
    let text = String(repeating: piece, count: 1_000_000)
    #expect(throws: JSONSyntaxError.self) { try JSONParser.parse(text) }
  }

  @Test func longNumbersAndStringsTakeNoTime() throws {
    #expect(throws: JSONSyntaxError.self) { try JSONParser.parse(String(repeating: "9", count: 1_000_000)) }
    let fraction = "0." + String(repeating: "1", count: 1_000_000)
    #expect(try JSONParser.parse(fraction).number == 1.0 / 9)
    let escapes = "\"" + String(repeating: "\\n", count: 500_000) + "\""
    #expect(try JSONParser.parse(escapes).string?.utf8.count == 500_000)
  }

  /// The distance of two long names is not reckoned, and an error does not repeat them.
  @Test func longNamesMakeShortErrors() throws {
    let name = String(repeating: "x", count: 500_000)
    #expect(nearestName(to: name, among: [name + "y"]) == nil)
    for table in ["\(name)\tlabel\nfilm\t1\n", "sentence\tlabel\nfilm\t\(name)\n"] {
      try Data(table.utf8).write(to: URL(fileURLWithPath: "\(directory)/train.tsv"))
      let error = #expect(throws: TaskError.self) { try sst2(directory).load(.train) }
      #expect(try #require(error).description.utf8.count < 1000 + directory.utf8.count)
    }
    #expect {
      try RunConfig.load(text: "{\"\(name)\": 1}")
    } throws: {
      $0 is any UserFacingError
    }
  }

  @Test func aLineOf10MegabytesIsOneExample() throws {
    let path = "\(directory)/train.tsv"
    var bytes = Array("sentence\tlabel\n".utf8)
    bytes += repeatElement(UInt8(ascii: "a"), count: 10_000_000)
    bytes += Array("\t1\n".utf8)
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    let data = try sst2(directory).load(.train)
    #expect(data.examples.map(\.text.utf8.count) == [10_000_000])
  }

  @Test func aListOfManyTargetsIsReadInNoTime() throws {
    let targets = (0..<20_000).map { "\"t\($0)\"" }.joined(separator: ",")
    let text = #"{"model":"m","task":{"name":"sst2","data_dir":"d"},"adapter":{"target_modules":[\#(targets)]}}"#
    #expect(throws: Never.self) { try RunConfig.load(text: text) }
  }
}

/// A directory that disappears with its test.
final class Scratch {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "swift-peft-hostile-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// A table of adapted maps of a model without end.
func manyMaps(_ count: Int) throws -> SiteTable {
  let sites = (0..<count).map { Site(layer: $0, module: "m", path: "l.\($0).m", inFeatures: 1, outFeatures: 1) }
  return try SiteTable(sites: sites, method: .aslora, r: 1)
}

private func sst2(_ directory: String) throws -> TaskData {
  var options = TaskOptions(name: "sst2")
  options.dataDir = directory
  return try TaskData(options)
}
