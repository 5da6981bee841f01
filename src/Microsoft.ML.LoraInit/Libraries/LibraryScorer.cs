using Microsoft.ML.LoraInit.Inference;

namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>Scores a pipeline's rows by a library's adapters.</summary>
internal sealed class LibraryScorer(AdapterLibrary library) : IWindowScorer<AdapterRequest, AdapterPrediction>
{
    public object Version => library.Version;

    public AdapterPrediction ScoreOne(AdapterRequest row, long position) => library.Score([row], position)[0];

    public ScoringRun<AdapterPrediction> Begin(IReadOnlyList<AdapterRequest> rows, long first) => library.Begin(rows, first);
}
