using System.CommandLine;

namespace Microsoft.ML.LoraInit.Benchmarks.Models;

/// <summary>The base model of a pipeline: real weights, or random ones of a shape with a vocabulary beside.</summary>
internal sealed class BaseOptions
{
    private readonly Option<string> _base = new("--base") { Description = "Real weights. Default: mini, unless --shape is given.", HelpName = "mini|DIR", DefaultValueFactory = _ => "mini" };
    private readonly Option<string?> _shape = new Option<string?>("--shape") { Description = "Random weights of this shape instead; needs --tokenizer, and has as many tokens as that where it knows more than the shape." }.AcceptOnlyFromAmong(ModelShape.Names);
    private readonly Option<string?> _tokenizer = new("--tokenizer") { Description = "Folder with vocab.json and merges.txt.", HelpName = "DIR" };
    private readonly Option<double> _dropout = new("--dropout") { Description = "Of hidden states, attention and head; with --shape.", DefaultValueFactory = _ => 0.1 };

    public BaseOptions(CliCommand command)
    {
        foreach (var option in (Option[])[_base, _shape, _tokenizer, _dropout])
            command.Options.Add(option);
    }

    public OpenedBase Open(ParseResult result)
    {
        if (result.GetValue(_shape) is not { } shape)
        {
            var checkpoint = RobertaCheckpoint.Parse(result.GetRequiredValue(_base));
            return new(checkpoint, checkpoint.Id == "mini" ? "mini" : Path.GetFileName(checkpoint.Id), null, null);
        }
        var vocabulary = result.GetValue(_tokenizer) ?? throw new ArgumentException("--shape has random weights and no vocabulary: name a folder with --tokenizer.");
        var dropout = result.GetValue(_dropout);
        var folder = Directory.CreateTempSubdirectory("lorainit-benchmark-");
        ModelShape.Write(shape, dropout, vocabulary, folder.FullName);
        return new(RobertaCheckpoint.FromDirectory(folder.FullName), shape, dropout, folder);
    }
}

/// <summary>A base ready to be used, with the temporary folder that it may lie in.</summary>
/// <param name="Checkpoint">Where trainers get it.</param>
/// <param name="Name">What results call it.</param>
/// <param name="Dropout">Of random weights; null for what the checkpoint's configuration says.</param>
/// <param name="Folder">Deleted at the end; null where the checkpoint is the user's.</param>
internal sealed record OpenedBase(RobertaCheckpoint Checkpoint, string Name, double? Dropout, DirectoryInfo? Folder) : IDisposable
{
    public void Dispose() => Folder?.Delete(recursive: true);
}
