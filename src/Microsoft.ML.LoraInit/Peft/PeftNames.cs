namespace Microsoft.ML.LoraInit.Peft;

/// <summary>File and tensor names of an adapter folder as huggingface/peft writes it (utils/save_and_load.py).</summary>
internal static class PeftNames
{
    public const string Config = "adapter_config.json";
    public const string Weights = "adapter_model.safetensors";
    public const string Pickle = "adapter_model.bin";

    public const string Prefix = "base_model.model.";
    public const string A = ".lora_A.weight";
    public const string B = ".lora_B.weight";
    public const string Magnitude = ".lora_magnitude_vector";
    public const string Head = "classifier.";
    public const string Bias = ".bias";
    public const string BaseLayer = ".base_layer";

    private const string Encoder = "roberta.";

    // Both have been in use: a parameter of its own, and the weight of a DoRA layer.
    private const string MagnitudeWeight = Magnitude + ".weight";

    // In files of PEFT's first versions the wrapper around a trained head shows.
    private const string SavedModules = "modules_to_save.";

    private const string OriginalModule = ".original_module.";

    /// <summary>What a tensor of an adapter file is.</summary>
    public enum Part
    {
        A,
        B,
        Magnitude,
        Bias,
        Head,

        /// <summary>What PEFT keeps of a module beside what it trained in its place, and writes along with <c>bias = all</c>.</summary>
        Original,

        /// <summary>A tensor of a variant's adapter, whose name keeps its end.</summary>
        Family,
    }

    /// <summary>The metadata by which Python's readers know whose tensors these are.</summary>
    public static IReadOnlyDictionary<string, string> Metadata { get; } = new Dictionary<string, string> { ["format"] = "pt" };

    /// <summary>Takes a stored name apart.</summary>
    /// <returns>The part and the module with an adapter (or the head's tensor name), as the checkpoint names it.</returns>
    /// <exception cref="InvalidDataException">The name is none that a LoRA of RoBERTa's linear layers has.</exception>
    public static (Part Part, string Name) Parse(string stored, string source, PeftFamily? family = null)
    {
        if (stored.StartsWith(Prefix, StringComparison.Ordinal))
        {
            var name = stored[Prefix.Length..];
            if (name.Contains(OriginalModule, StringComparison.Ordinal))
                return (Part.Original, name);
            if (name.StartsWith(Head, StringComparison.Ordinal) && !name.Contains(".lora_", StringComparison.Ordinal))
                return (Part.Head, name.Replace(SavedModules, "", StringComparison.Ordinal));
            if (family?.Suffixes.FirstOrDefault(x => name.EndsWith(x, StringComparison.Ordinal)) is { } end)
                return (Part.Family, FullName(name[..^end.Length]) + end);
            foreach (var (suffix, part) in family is not null ? [] : new[] { (A, Part.A), (B, Part.B), (Magnitude, Part.Magnitude), (MagnitudeWeight, Part.Magnitude) })
                if (name.EndsWith(suffix, StringComparison.Ordinal))
                    return (part, FullName(name[..^suffix.Length]));
            if (name.EndsWith(Bias, StringComparison.Ordinal))
                return (Part.Bias, FullName(name.Replace(BaseLayer + Bias, Bias, StringComparison.Ordinal)));
        }
        var read = family is null ? $"{A}, {B}, {Magnitude} on linear layers of the encoder, the encoder's biases," : $"{string.Join(", ", family.Suffixes)} ({family.Type}) on linear layers of the encoder,";
        throw new InvalidDataException($"'{source}' has the tensor '{stored}', which this library has no place for: it reads {Prefix}<layer>{read} and the head {Prefix}{Head}*.");
    }

    /// <summary>What a file calls a tensor outside the head.</summary>
    /// <param name="part">What it is.</param>
    /// <param name="name">The module; of biases and variants the tensor.</param>
    public static string Stored(Part part, string name) => Prefix + name + part switch { Part.A => A, Part.B => B, Part.Magnitude => Magnitude, _ => "" };

    /// <summary>Whether the adapter was made on a bare encoder, whose names lack the prefix that they have below a head.</summary>
    public static bool IsBare(IEnumerable<string> stored) =>
        stored.Any(n => n.StartsWith($"{Prefix}encoder.", StringComparison.Ordinal));

    /// <summary>A module's name in a bare encoder.</summary>
    public static string BareName(string module) => module[Encoder.Length..];

    public static string FullName(string module) =>
        module.StartsWith("encoder.", StringComparison.Ordinal) || module.StartsWith("embeddings.", StringComparison.Ordinal) ? Encoder + module : module;

    /// <summary>Why pickled adapters are refused, and what to do.</summary>
    public static string PickleAdvice(string folder) =>
        $"'{folder}' has its weights only as a Python pickle ({Pickle}), which can run code when loaded and is not read here. "
        + "Convert it once in Python: PeftModel.from_pretrained(base, folder).save_pretrained(new_folder, safe_serialization=True).";
}
