using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit.Tokenization.SentencePiece;

/// <summary>
/// Which id a SentencePiece piece has in a model of fairseq's: some special tokens come first, then the pieces from a certain one on, and
/// the mask is last (huggingface/transformers, models/xlm_roberta/tokenization_xlm_roberta.py and models/camembert/tokenization_camembert.py).
/// </summary>
/// <param name="First">The tokens before the pieces.</param>
/// <param name="FirstPiece">The first piece that has an id behind them.</param>
internal sealed record FairseqIds(IReadOnlyList<string> First, int FirstPiece)
{
    public const string Mask = "<mask>";

    private static readonly FairseqIds XlmRoberta = new(["<s>", "<pad>", "</s>", "<unk>"], SentencePieceModel.Specials);

    // SentencePiece's own <s> and </s> are the model's; the first tokens are fairseq's, which nothing uses.
    private static readonly FairseqIds Camembert = new(["<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED"], 1);

    public static FairseqIds Of(RobertaModelType type) => type switch
    {
        RobertaModelType.XlmRoberta => XlmRoberta,
        RobertaModelType.Camembert => Camembert,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "RoBERTa's own tokenizer has no SentencePiece model."),
    };

    /// <summary>Of what SentencePiece does not know.</summary>
    public int Unknown => 3;

    /// <summary>A piece's id.</summary>
    public int IdOf(int piece) => piece == 0 ? Unknown : piece - FirstPiece + First.Count;

    /// <summary>Every token by its id.</summary>
    public string[] Tokens(SentencePieceModel model) => [.. First, .. model.Pieces.Skip(FirstPiece).Select(p => p.Text), Mask];

    /// <summary>The model whose tokens these are.</summary>
    /// <param name="vocabulary">Every token by its id, with its score.</param>
    /// <param name="charsmap">How texts are normalised.</param>
    /// <param name="source">What error messages call the file.</param>
    /// <exception cref="InvalidDataException">The special tokens are not where they should be.</exception>
    public SentencePieceModel Model(IReadOnlyList<(string Text, float Score)> vocabulary, byte[] charsmap, string source)
    {
        for (int id = 0; id < First.Count; id++)
            if (id >= vocabulary.Count || vocabulary[id].Text != First[id])
                throw new InvalidDataException($"'{source}': the token {id} is {(id < vocabulary.Count ? $"'{vocabulary[id].Text}'" : "missing")}; '{First[id]}' is expected there: the vocabulary is not laid out as this kind of model has it.");
        if (vocabulary[^1].Text != Mask)
            throw new InvalidDataException($"'{source}': the last token is '{vocabulary[^1].Text}'; '{Mask}' is expected there.");
        (string, float)[] specials = [("<unk>", 0), ("<s>", 0), ("</s>", 0)];
        return new SentencePieceModel([.. specials[..FirstPiece], .. vocabulary.Skip(First.Count).Take(vocabulary.Count - First.Count - 1)], charsmap).Checked(source);
    }
}
