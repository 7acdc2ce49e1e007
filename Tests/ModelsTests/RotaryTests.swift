import Foundation
import Models
import StrictJSON
import Testing

/// Rotary frequencies and their errors.
@Suite struct RotaryTests {
  /// Members of a LLaMA config with heads of 16 numbers and 64 positions, a length, and what transformers 5.23's
  /// `LlamaRotaryEmbedding` then has: attention factor and frequencies.
  static let scalings: [(members: String, length: Int, amplitude: Float, values: [Float])] = [
    (
      #""rope_theta":500.0"#,
      8, 1,
      [1.0, 0.459863275, 0.21147424, 0.0972492471, 0.0447213612, 0.0205657128, 0.0094574159, 0.00434911856]
    ),
    (
      #""rope_scaling":{"type":"linear","factor":2.5}"#,
      8, 1,
      [
        0.400000006, 0.1264911, 0.0399999991, 0.0126491114, 0.00399999972, 0.00126491114, 0.000400000019,
        0.000126491112,
      ]
    ),
    (
      #""rope_theta":500000.0,"rope_scaling":{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"#
        + #""high_freq_factor":4.0,"original_max_position_embeddings":32}"#,
      8, 1,
      [
        1.0, 0.0242403448, 0.00470075384, 0.000911583134, 0.000176776681, 3.42810235e-05, 6.64786967e-06,
        1.28917316e-06,
      ]
    ),
    (
      #""rope_parameters":{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0}"#,
      8, 1,
      [1.0, 0.244384587, 0.0130422562, 0.00395284733, 0.00124999997, 0.000395284733, 0.000125000006, 3.95284733e-05]
    ),
    (
      #""rope_scaling":{"type":"yarn","factor":4.0,"original_max_position_embeddings":16}"#,
      8, 1.13862944,
      [1.0, 0.079056941, 0.0250000004, 0.00790569466, 0.00249999994, 0.000790569466, 0.000250000012, 7.90569466e-05]
    ),
    (
      #""rope_parameters":{"rope_type":"yarn","factor":4.0,"truncate":false,"#
        + #""original_max_position_embeddings":16,"mscale":1.0,"mscale_all_dim":0.7,"rope_theta":50000.0}"#,
      8, 1.03791002,
      [1.0, 0.0646500364, 0.0167185087, 0.00432340847, 0.00111803401, 0.000289123738, 7.47674421e-05, 1.93348696e-05]
    ),
    (
      #""rope_parameters":{"rope_type":"yarn","factor":4.0,"beta_fast":8.0,"beta_slow":2.0,"#
        + #""attention_factor":0.9}"#,
      8, 0.9,
      [1.0, 0.197642356, 0.0250000004, 0.00790569466, 0.00249999994, 0.000790569466, 0.000250000012, 7.90569466e-05]
    ),
    (
      #""rope_scaling":{"type":"dynamic","factor":4.0}"#,
      64, 1,
      [1.0, 0.316227764, 0.100000001, 0.0316227786, 0.00999999978, 0.00316227786, 0.00100000005, 0.000316227786]
    ),
    (
      #""rope_scaling":{"type":"dynamic","factor":4.0}"#,
      65, 1,
      [1.0, 0.313500851, 0.0982827842, 0.0308117364, 0.00965950545, 0.00302826311, 0.000949363108, 0.000297626131]
    ),
    (
      #""rope_scaling":{"type":"dynamic","factor":4.0}"#,
      200, 1,
      [1.0, 0.229258373, 0.0525593981, 0.0120496824, 0.00276249065, 0.000633324089, 0.000145194848, 3.32871314e-05]
    ),
    (
      #""rope_scaling":{"type":"longrope","short_factor":[1.0,1.1,1.2,1.3,1.4,1.5,1.6,1.7],"long_factor":[2.0,"#
        + #"3.0,4.0,5.0,6.0,7.0,8.0,9.0]},"original_max_position_embeddings":16"#,
      16, 1.22474487,
      [1.0, 0.287479758, 0.0833333358, 0.0243252143, 0.00714285718, 0.00210818532, 0.000624999986, 0.000186016332]
    ),
    (
      #""rope_scaling":{"type":"longrope","short_factor":[1.0,1.1,1.2,1.3,1.4,1.5,1.6,1.7],"long_factor":[2.0,"#
        + #"3.0,4.0,5.0,6.0,7.0,8.0,9.0]},"original_max_position_embeddings":16"#,
      17, 1.22474487,
      [0.5, 0.10540925, 0.0250000004, 0.00632455572, 0.00166666671, 0.000451753964, 0.000125000006, 3.51364179e-05]
    ),
    (
      #""rope_scaling":{"type":"longrope","short_factor":[1.0,1.1,1.2,1.3,1.4,1.5,1.6,1.7],"long_factor":[2.0,"#
        + #"3.0,4.0,5.0,6.0,7.0,8.0,9.0],"factor":3.0,"original_max_position_embeddings":16}"#,
      17, 1.18162626,
      [0.5, 0.10540925, 0.0250000004, 0.00632455572, 0.00166666671, 0.000451753964, 0.000125000006, 3.51364179e-05]
    ),
    (
      #""rope_scaling":{"type":"longrope","short_factor":[1.0,1.1,1.2,1.3,1.4,1.5,1.6,1.7],"long_factor":[2.0,"#
        + #"3.0,4.0,5.0,6.0,7.0,8.0,9.0],"attention_factor":1.25,"original_max_position_embeddings":16}"#,
      17, 1.25,
      [0.5, 0.10540925, 0.0250000004, 0.00632455572, 0.00166666671, 0.000451753964, 0.000125000006, 3.51364179e-05]
    ),
  ]

  private func config(_ members: String) throws -> ModelConfig {
    try ModelConfig(
      json: #"{"model_type":"llama","hidden_size":32,"num_attention_heads":2,"max_position_embeddings":64,"#
        + members + "}", file: "c.json")
  }

  @Test(arguments: scalings)
  func frequenciesAreThoseOfTransformers(_ members: String, _ length: Int, _ amplitude: Float, _ values: [Float]) throws
  {
    let rotary = try #require(try config(members).design.rotary[0]).frequencies(length: length)
    #expect(abs(rotary.amplitude - amplitude) <= 2e-7 * amplitude)
    #expect(rotary.values.count == values.count)
    for (own, other) in zip(rotary.values, values) { #expect(abs(own - other) <= 4e-7 * other) }
  }

  /// Dynamic scaling is for texts beyond `max_position_embeddings`.
  @Test func dynamicScalingLengthensTheModel() throws {
    #expect(try config(#""rope_scaling":{"type":"dynamic","factor":4}"#).maximumSequenceLength == 256)
    #expect(try config(#""rope_scaling":{"type":"linear","factor":4}"#).maximumSequenceLength == 64)
    #expect(try config(#""rope_scaling":{"type":"dynamic","factor":1e30}"#).maximumSequenceLength == 1 << 24)
  }

  @Test(arguments: [
    (#""rope_scaling":{"type":"linear"}"#, "rope_scaling.factor: is missing"),
    (
      #""rope_scaling":{"type":"linear","factor":0}"#,
      "rope_scaling.factor: must be a number above 0 that float32 holds, not 0.0"
    ),
    (
      #""rope_scaling":{"type":"dynamic","factor":1e300}"#,
      "rope_scaling.factor: must be a number above 0 that float32 holds, not 1e+300"
    ),
    (
      #""rope_scaling":{"type":"llama3","factor":1e-40}"#,
      "rope_scaling.factor: must be a number above 0 that float32 holds, not 1e-40"
    ),
    (
      // The logarithm of 1 divides.
      #""rope_parameters":{"rope_type":"yarn","factor":2,"rope_theta":1,"original_max_position_embeddings":4096}"#,
      "rope_parameters: these numbers make frequencies that are not finite"
    ),
    (
      #""original_max_position_embeddings":1,"rope_scaling":{"type":"longrope","short_factor":[1,1,1,1,1,1,1,1],"#
        + #""long_factor":[1,1,1,1,1,1,1,1]}"#,
      "rope_scaling: these numbers make frequencies that are not finite"
    ),
    (
      #""rope_parameters":{"rope_type":"dynamic","factor":"4"}"#,
      "rope_parameters.factor: must be a number, not a string"
    ),
    (
      #""rope_parameters":{"rope_type":"proportional"}"#,
      #"rope_parameters.rope_type: "proportional" is not supported; supported: default, dynamic, linear, llama3, "#
        + "longrope, yarn"
    ),
    (
      #""rope_scaling":{"type":"su"}"#,
      #"rope_scaling.type: "su" is not supported; supported: default, dynamic, linear, llama3, longrope, yarn"#
    ),
    (#""rope_scaling":{"type":"llama3","factor":2}"#, "rope_scaling.low_freq_factor: is missing"),
    (
      #""rope_scaling":{"type":"longrope","short_factor":[1,1],"long_factor":[1]}"#,
      "rope_scaling.short_factor: must be a list of 8 numbers, not one of 2"
    ),
    (
      #""rope_scaling":{"type":"longrope","short_factor":[1,1,1,1,1,1,1,0]}"#,
      "rope_scaling.short_factor[7]: must be a number above 0 that float32 holds, not 0.0"
    ),
    (
      #""rope_parameters":{"full_attention":{"rope_type":"default"}}"#,
      "rope_parameters.full_attention: this family has the same rotary embedding in all layers"
    ),
    (
      #""rope_parameters":{"partial_rotary_factor":0.5}"#,
      "rope_parameters.partial_rotary_factor: 0.5 is not supported; supported: 1"
    ),
  ]) func aWrongParameterIsNamed(_ members: String, _ sentence: String) {
    let error = #expect(throws: JSONFieldError.self) { try config(members) }
    #expect(error?.description == "c.json:1: " + sentence)
  }
}
