using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit.Tokenization.SentencePiece;

/// <summary>XLM-RoBERTa's and CamemBERT's vocabulary: <c>sentencepiece.bpe.model</c> (whose name says BPE, and which is Unigram), or <c>tokenizer.json</c>.</summary>
/// <param name="type">Whose: they have other ids.</param>
/// <param name="open">Opens a file by its name; null where it is absent.</param>
/// <param name="source">What messages call the folder.</param>
internal sealed class SentencePieceFiles(RobertaModelType type, Func<string, Stream?> open, string source) : VocabularyFiles(open, source)
{
    private SentencePieceModel? _model;

    protected override IReadOnlyList<string> OwnNames => Names(type);

    public override IReadOnlyDictionary<string, int> Ids()
    {
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var token in FairseqIds.Of(type).Tokens(Model()))
            if (!ids.TryAdd(token, ids.Count))
                throw new InvalidDataException($"'{Source}': the token '{token}' is both a special one and a piece of {TokenizerNames.SentencePiece}.");
        return ids;
    }

    public override void CheckSame(VocabularyFiles other)
    {
        if (other is not SentencePieceFiles { } files || !Model().SameAs(files.Model()))
            throw Another();
    }

    public override SubwordTokenizer Tokenizer(RobertaConfig config, TokenizerRule rule) => UnigramTokenizer.Create(Model(), config, rule, Source);

    protected override byte[] Made(TokenizerJson json, string name) => ((UnigramJson)json).Model.ToBytes();

    protected override TokenizerJson Parse(TokenizerElement root, string name) => UnigramJson.Parse(root, FairseqIds.Of(type), name);

    /// <summary>What the files say, read once.</summary>
    private SentencePieceModel Model()
    {
        if (_model is not null)
            return _model;
        if (!IsComplete)
            throw Missing();
        var json = (UnigramJson?)Json;
        if (!HasOwn)
            return _model = json!.Model;
        using var stream = Open(TokenizerNames.SentencePiece);
        var name = $"{Source}: {TokenizerNames.SentencePiece}";
        var model = SentencePieceModel.Read(UntrustedFile.Read(stream, UntrustedFile.MaxVocabulary, $"'{name}'"), name);
        return _model = json is null || json.Model.SameAs(model) ? model : throw Disagree();
    }
}
