import StrictJSON

extension RunConfig {
  /// The JSON Schema of a run config, made from the tables that read it: what an editor completes and checks by.
  ///
  /// Rules on how values go together are the program's own: `swift-peft train --dry-run` asks them.
  public static func schemaText(_ catalog: Catalog = .standard) -> String {
    guard case .object(var schema) = objectSchema(catalog) else { return "" }
    let defaults = JSONNode(blank(.standard).json)
    var properties = described(schema["properties"]?.object ?? JSONObject(), defaults: defaults, under: "")
    properties["sweep"] = JSONNode(sweep(properties))
    properties["$schema"] = JSONNode(["type": "string", "description": .string("Where this schema is; for editors.")])
    schema["properties"] = JSONNode(.object(properties))
    let text: [(String, JSONValue)] =
      [
        ("$schema", "http://json-schema.org/draft-07/schema#"), ("title", "swift-peft run config"),
        ("description", "One run of swift-peft. Comments and trailing commas are accepted."),
      ] + schema.keys.compactMap { key in schema[key].map { (key, $0.value) } }
      + [("allowComments", true), ("allowTrailingCommas", true)]
    return JSONWriter.text(.members(text), pretty: true)
  }

  /// With a description for every key, and the default of all that are not required.
  private static func described(_ properties: JSONObject, defaults: JSONNode, under path: String) -> JSONObject {
    var result = JSONObject()
    for key in properties.keys {
      guard let node = properties[key], var schema = node.object else { continue }
      let path = joined(path, key)
      schema["description"] = FieldDescriptions.text[path].map { JSONNode(.string($0)) }
      if let inner = schema["properties"]?.object {
        schema["properties"] = JSONNode(
          .object(described(inner, defaults: defaults[key] ?? JSONNode(.null), under: path)))
      } else if let value = defaults[key], !["", "model", "task.name"].contains(path), value.string != "" {
        schema["default"] = value
      }
      result[key] = JSONNode(.object(schema))
    }
    return result
  }

  /// The section of `swift-peft sweep`: paths and lists of their values.
  private static func sweep(_ properties: JSONObject) -> JSONValue {
    var paths = JSONObject()
    func add(_ properties: JSONObject, under path: String) {
      for key in properties.keys {
        let path = joined(path, key)
        guard let schema = properties[key]?.object, !SweepConfig.fixed.contains(path) else { continue }
        if let inner = schema["properties"]?.object { add(inner, under: path) }
        var values = schema
        values["description"] = nil
        values["default"] = nil
        paths[path] = JSONNode(["type": "array", "minItems": 1, "items": .object(values)])
      }
    }
    add(properties, under: "")
    return [
      "type": "object", "minProperties": 1, "additionalProperties": false,
      "description":
        "For \"swift-peft sweep\": paths of this config, each with a list of values; every combination is a run.",
      "properties": .object(paths),
    ]
  }
}

enum FieldDescriptions {
  static let text = top.merging(task) { $1 }.merging(adapter) { $1 }.merging(methods) { $1 }.merging(training) { $1 }

  private static let top = [
    "name": "What the run is called; default: the config file's name without its extension.",
    "model": "A directory as the Hugging Face Hub lays it out, or a GGUF file of llama.cpp.",
    "task": "The data set.",
    "adapter": "How matrices are shared, their rank, and where they sit.",
    "training": "How long, how fast and in what precision; names and meanings are those of TrainingArguments.",
    "output_dir": "Where the results go; default: runs/NAME.",
    "database": "The SQLite database that the run is written to.",
  ]

  private static let task = [
    "task.name": "The task; text-classification (old name: tsv) and token-classification read files of your own.",
    "task.data_dir": "Directory with the task's usual file names.",
    "task.train_file":
      "Replaces the task's own file, or names it where the task has none: a path, a pattern (data/train-*.csv), or a list.",
    "task.validation_file":
      "Replaces the task's own file, or names it where the task has none; a path, pattern or list.",
    "task.test_file": "Replaces the task's own file, or names it where the task has none; a path, pattern or list.",
    "task.file_format": "How the files are written (text: causal-lm alone); null: as their endings tell.",
    "task.delimiter": "What ends the fields of CSV; null: a comma.",
    "task.validation_split":
      "Instead of validation_file: the share of the training examples that is held back to validate on, of each class alike.",
    "task.text_columns":
      "text-classification: the column of the text, or the two of a pair; token-classification: that of the words; causal-lm: "
      + "that of the text (null: text); by name or 0-based number.",
    "task.label_column":
      "text-classification, token-classification: the column of the label or tags, by name or 0-based number.",
    "task.has_header":
      "text-classification: whether the first line names the columns; cola accepts it without effect.",
    "task.label_names":
      "The labels in the order of the head's outputs; a whole number in a file is the place of a label in this list.",
    "task.problem_type": "What labels are, as in transformers; null: as those of the training files tell.",
    "task.label_separator": "Several labels in a table: what stands between them.",
    "task.class_weights":
      "How much the examples of each class count in training: balanced, or numbers by label, or in the order of label_names.",
    "task.metrics": "What evaluations report, the main metric first; null: what is usual for the task.",
    "task.prompt_template":
      "instruct: the older name of chat_template, or a text with {instruction} and {input}.",
    "task.chat_template":
      "instruct: how conversations become text: model (the model's own template) or the name of another of the model's, "
      + "alpaca, chatml, llama-2, llama-3, completion, or a file of Jinja; null: as the data's layout tells.",
    "task.chat_template_date": "instruct: the day that a chat template sees as today, such as 2024-07-26.",
    "task.assistant_only_loss":
      "instruct: on which turns the loss is taken: all of the assistant's, the last of them, or (false) on every token.",
    "task.packing": "instruct: whether several conversations are put into a row to train on; none sees the others.",
    "task.choice_style":
      "multiple-choice: letter lists the choices and scores their letters (CSV's default), text scores their words after "
      + "Question and Answer (JSON's), continuation right after the question.",
    "task.num_fewshot":
      "multiple-choice: solved questions in front of each that is scored; null: up to 5, where there is a file of them.",
    "task.fewshot_file": "multiple-choice: the file of solved questions; null: MMLU's dev/SUBJECT_dev.csv.",
    "task.max_seq_length":
      "The most tokens of an example; longer ones are cut. null: 128 for sentences, 1024 or what the model takes for "
      + "language.",
    "task.max_train_samples": "Use only the first N examples.",
    "task.max_eval_samples": "Use only the first N examples of every other split.",
  ]

  private static let adapter = [
    "adapter.strategy": "Which sites share which matrices; none trains the head alone.",
    "adapter.r": "The rank.",
    "adapter.lora_alpha": "The update is scaled by lora_alpha / r.",
    "adapter.lora_dropout": "The probability with which an input of A is dropped.",
    "adapter.use_rslora": "Scale by lora_alpha / √r instead.",
    "adapter.target_modules":
      "The linear maps that are adapted: names or ends of paths, \"all-linear\", or a regular expression for whole paths.",
    "adapter.exclude_modules": "Maps that are not adapted: names or ends of paths, or a regular expression.",
    "adapter.layers_to_transform": "The layers that are adapted; null: all.",
    "adapter.layers_pattern": "What stands before a layer's number in paths, for layers_to_transform; null: anything.",
    "adapter.rank_pattern": "Ranks of maps that have another one, by regular expressions for the ends of paths.",
    "adapter.alpha_pattern": "The lora_alpha of maps that have another one, likewise.",
    "adapter.lora_plus_ratio":
      "LoRA+: the learning rate of B's and of vectors, in units of learning_rate; null: all train alike.",
    "adapter.use_dora": "DoRA: a trained magnitude for every output of every adapted map; null: no.",
    "adapter.init_lora_weights":
      "What A and B start with, as in PEFT: gaussian, pissa, pissa_niter_K, olora, orthogonal, mica; null or true: LoRA's.",
    "adapter.init_from_mean": "Whether maps that share a tensor start from the mean of their weights; null: no.",
    "adapter.clora": "CLoRA: a penalty that keeps the update out of random directions; null: none.",
    "adapter.clora.lambda": "The penalty's weight.",
    "adapter.clora.k": "How many directions there are, of inputs and of outputs each.",
    "adapter.clora.seed": "The seed of the directions.",
    "adapter.init_from": "A native or PEFT adapter directory to start from.",
    "adapter.aslora": "When and how aslora merges; without effect on other strategies.",
    "adapter.aslora.start_step": "No merge up to this step; null: 4.6 % of all steps.",
    "adapter.aslora.merge_interval": "Steps between two merges; null: 3.5 % of all steps.",
    "adapter.aslora.num_merges": "Merges of each module type in the whole run; null: 58 % of the layers.",
    "adapter.aslora.candidates": "Which pairs of groups can be merged.",
    "adapter.aslora.metric": "Distance measure between groups.",
    "adapter.aslora.direction": "Which B the merged group keeps.",
    "adapter.aslora.merging":
      "When groups come to be; at_start fixes groups of neighbours before the first step. null: while_training.",
  ]

  /// What methods say of their own options.
  private static let methods: [String: String] = {
    var texts: [String: String] = [:]
    for method in Catalog.standard.methods where !method.declaredOptions.isEmpty {
      texts["adapter.\(method.name)"] = "Options of \(method.name); only for this strategy."
      for option in method.declaredOptions { texts["adapter.\(method.name).\(option.key)"] = option.summary }
    }
    return texts
  }()

  private static let training = [
    "training.num_train_epochs": "Passes over the training data; may be fractional.",
    "training.max_steps": "If above 0, overrides num_train_epochs: the number of optimiser steps.",
    "training.train_batch_size": "Examples of a micro-batch.",
    "training.eval_batch_size": "Examples of a batch of an evaluation.",
    "training.gradient_accumulation_steps": "Micro-batches of an optimiser step.",
    "training.learning_rate": "The schedule's peak.",
    "training.weight_decay": "AdamW's decoupled decay.",
    "training.adam_beta1": "AdamW's decay rate of the first moment.",
    "training.adam_beta2": "AdamW's decay rate of the second moment.",
    "training.adam_epsilon": "AdamW's ε.",
    "training.max_grad_norm": "Gradients are scaled down to this norm; 0: never.",
    "training.lr_scheduler_type": "The learning rate's course after the warm-up.",
    "training.warmup_ratio": "The share of all steps that warms up, if warmup_steps is 0.",
    "training.warmup_steps": "Steps that warm up; if above 0, overrides warmup_ratio.",
    "training.seed": "The seed of initialisation, shuffling and dropout.",
    "training.shuffle": "Shuffle each epoch; otherwise keep file order.",
    "training.precision": "Number type of matrix products.",
    "training.weights":
      "How frozen matrices are held: resident in the precision of products, or stored as in their file; null: resident, but "
      + "of a GGUF file as stored where the copies would take more than half of the memory.",
    "training.gradient_checkpointing":
      "Whether a block's activations are recomputed in the backward pass: less memory, more time.",
    "training.shard_tokens":
      "Tokens of a shard, the part of a batch that one thread computes; null: 512, of small batches fewer.",
    "training.label_smoothing_factor":
      "The share of each target that is spread over all classes, or over a language model's vocabulary.",
    "training.logging_steps": "Steps between two log lines.",
    "training.eval_strategy": "When the validation data is scored.",
    "training.eval_steps": "Steps between two evaluations, for eval_strategy \"steps\".",
    "training.save_steps": "Steps between two checkpoints; 0: only one at the end.",
    "training.save_total_limit": "How many checkpoints are kept; 0 or null: all.",
    "training.metric_for_best_model": "The validation metric that ranks models.",
    "training.load_best_model_at_end": "Whether the run ends with its best model instead of its last.",
    "training.early_stopping_patience": "Evaluations without progress after which the run stops; 0: never.",
    "training.max_nonfinite_steps":
      "The step with a NaN or infinite loss or gradient at which the run stops; those before it are skipped.",
  ]
}
