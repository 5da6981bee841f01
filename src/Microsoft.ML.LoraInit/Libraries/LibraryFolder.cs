using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Inference.Outputs;
using Microsoft.ML.LoraInit.Persistence;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>A library as a folder: <c>library.json</c>, and a safetensors file (fp32) for each adapter.</summary>
internal static class LibraryFolder
{
    public const string Manifest = "library.json";

    /// <summary>The most that the manifest may have.</summary>
    public const long MaxManifest = 64 << 20;

    private const int Version = 2, WithoutTokenizers = 1;

    private static readonly JsonSerializerOptions Json = UntrustedJson.Strict(new(JsonSerializerDefaults.Web) { WriteIndented = true, NewLine = "\n" });

    /// <summary>The name of an adapter's file by its place in the manifest.</summary>
    public static string FileName(int index) => $"adapter-{index + 1}.safetensors";

    /// <exception cref="IOException">The folder is not empty or cannot be written.</exception>
    public static void Write(string folder, LibraryBase origin, IReadOnlyList<LibraryAdapter> adapters) => AtomicFolder.Write(folder, temporary =>
    {
        var entries = new List<Entry>();
        foreach (var adapter in adapters)
        {
            // Names may hold what file names cannot, or differ in case alone.
            var file = FileName(entries.Count);
            var path = Path.Combine(temporary, file);
            SafetensorsWriter.Write(path, adapter.Source.State.Tensors);
            entries.Add(Entry.Of(adapter, file, Sha256(path)));
        }
        var manifest = new Content(entries.Exists(e => e.Tokenizer is not null) ? Version : WithoutTokenizers, StoredBase.Of(origin.Checkpoint, origin.Identity), entries);
        AtomicFile.Write(Path.Combine(temporary, Manifest), stream => JsonSerializer.Serialize(stream, manifest, Json));
    });

    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="InvalidDataException">A file is missing or damaged, or the base is missing or another one.</exception>
    public static AdapterLibrary Read(string folder, AdapterLibraryOptions? options, RobertaCheckpoint? baseModel)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        folder = Path.GetFullPath(folder);
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"The library's folder '{folder}' does not exist.");
        var content = ReadManifest(Path.Combine(folder, Manifest));
        var library = baseModel is null ? OpenBase(folder, content.Base, options) : AdapterLibrary.Create(baseModel, options);
        try
        {
            if (library.Base.Identity.Sha256 != content.Base.Sha256)
                throw new InvalidDataException($"The library '{folder}' is over the base '{content.Base.Source}' with the SHA-256 {content.Base.Sha256}, but what is there now has {library.Base.Identity.Sha256}. Give it that base.");
            foreach (var entry in content.Adapters)
                library.Add(entry.Name, replace: false, () => ReadAdapter(folder, entry, library.Base));
            return library;
        }
        catch
        {
            library.Dispose();
            throw;
        }
    }

    // As with models: whatever is wrong with a base that a file names is wrong with the file, for those who read it.
    private static AdapterLibrary OpenBase(string folder, StoredBase stored, AdapterLibraryOptions? options)
    {
        var checkpoint = UntrustedJson.Guard(new($"'{Path.Combine(folder, Manifest)}'", "Get or save the library again."), stored.Checkpoint);
        try
        {
            return AdapterLibrary.Create(checkpoint, options);
        }
        catch (Exception e) when (e is IOException or InvalidOperationException or NotSupportedException or HttpRequestException or UnauthorizedAccessException)
        {
            throw new InvalidDataException($"The library '{folder}' is over the base '{stored.Source}' (SHA-256 {stored.Sha256}), which cannot be opened: {e.Message.TrimEnd('.')}. Put the base there, or say where it is (baseModel).", e);
        }
    }

    private static Content ReadManifest(string path)
    {
        if (!File.Exists(path))
            throw new InvalidDataException($"'{path}' is missing: a library is a folder that AdapterLibrary.Save wrote.");
        var source = new JsonSource($"'{path}'", "Get or save the library again.");
        var bytes = UntrustedFile.Read(path, MaxManifest);
        if (UntrustedJson.Object(bytes, source)["version"] is not JsonValue value || !value.TryGetValue(out int version) || version < 1)
            throw source.Bad("version", "is missing or no version");
        if (version > Version)
            throw new InvalidDataException($"'{path}' was saved by a newer version of Microsoft.ML.LoraInit: its format is {version}, this library reads up to {Version}. Update the package.");
        var content = UntrustedJson.Read<Content>(bytes, source, Json);
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (int i = 0; i < content.Adapters.Count; i++)
        {
            var entry = content.Adapters[i];
            if (entry.File != FileName(i))
                throw source.Bad("file", $"is '{entry.File}' where '{FileName(i)}' is expected");
            if (!Enum.IsDefined(entry.Precision) || !Enum.IsDefined(entry.SaveMode))
                throw source.Bad(Enum.IsDefined(entry.Precision) ? "saveMode" : "precision", "is none that this library knows");
            if (string.IsNullOrWhiteSpace(entry.Name) || !names.Add(entry.Name))
                throw source.Bad("name", $"is '{entry.Name}', which is empty or names two adapters");
        }
        return content;
    }

    private static AdapterSource ReadAdapter(string folder, Entry entry, LibraryBase origin)
    {
        var path = Path.Combine(folder, entry.File);
        if (!File.Exists(path))
            throw new InvalidDataException($"'{path}' is missing, which holds the adapter '{entry.Name}'.");
        using var scope = NewDisposeScope();
        using var file = SafetensorsFile.Open(path);
        if (Sha256(file) != entry.Sha256)
            throw new InvalidDataException($"'{path}' does not have the SHA-256 that '{Manifest}' says: it was changed or damaged. Get or save the library again.");
        try
        {
            var settings = entry.Settings();
            settings.Check(origin.Config);
            var state = new FineTunedState(origin.Identity, origin.Config, settings.Scores.Task.OutputCount, DescriptionJson.Read(entry.FineTuning),
                file.Names.ToDictionary(n => n, n => file.Read(n, ScalarType.Float32), StringComparer.Ordinal), entry.FineTuning.ToJsonString());
            return new(state, settings, TrainingHistory.FromJson(entry.History.ToJsonString()));
        }
        catch (FormatException e)
        {
            throw new InvalidDataException($"'{Manifest}' is damaged where it describes the adapter '{entry.Name}': {e.Message}", e);
        }
    }

    private static string Sha256(SafetensorsFile file)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        file.AppendTo(hash, CancellationToken.None);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static string Sha256(string path)
    {
        using var file = SafetensorsFile.Open(path);
        return Sha256(file);
    }

    /// <summary>What <c>library.json</c> holds.</summary>
    private sealed record Content(int Version, StoredBase Base, IReadOnlyList<Entry> Adapters);

    /// <summary>One adapter of it.</summary>
    private sealed record Entry
    {
        public required string Name { get; init; }

        public required string File { get; init; }

        public required string Sha256 { get; init; }

        public required JsonObject FineTuning { get; init; }

        public required JsonObject Scores { get; init; }

        public required string Text { get; init; }

        public string? Text2 { get; init; }

        public required int MaxLength { get; init; }

        public required Precision Precision { get; init; }

        public required ModelSaveMode SaveMode { get; init; }

        /// <summary>Absent in folders of the format 1.</summary>
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public TokenizerRule? Tokenizer { get; init; }

        /// <summary>Absent where long texts are cut.</summary>
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public string? LongText { get; init; }

        public required JsonNode History { get; init; }

        public static Entry Of(LibraryAdapter adapter, string file, string sha256)
        {
            var (state, settings, history) = adapter.Source;
            return new()
            {
                Name = adapter.Name,
                File = file,
                Sha256 = sha256,
                FineTuning = DescriptionJson.Of(state),
                Scores = settings.Scores.ToJson(),
                Text = settings.Texts.Text,
                Text2 = settings.Texts.Text2,
                MaxLength = settings.MaxLength,
                Precision = settings.Precision,
                SaveMode = settings.SaveMode,
                Tokenizer = settings.Tokenizer,
                LongText = LongTextText.Write(settings.LongText),
                History = JsonNode.Parse(history.ToJson())!,
            };
        }

        public FineTunedModel.Settings Settings() => new(ScoreColumns.FromJson(Scores), new TextColumns(Text, Text2), MaxLength, Precision, SaveMode, Tokenizer) { LongText = LongTextText.Read(LongText) };
    }
}
