using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>
/// Word + position + token-type embeddings, normalised. Positions start at <c>padding_idx + 1</c>, which is why
/// RoBERTa's table has 514 rows for 512 tokens; padding keeps <c>padding_idx</c>.
/// </summary>
internal sealed class RobertaEmbeddings
{
    private readonly RobertaConfig _config;

    public RobertaEmbeddings(RobertaConfig config, Func<string, Parameter> parameter)
    {
        _config = config;
        Word = parameter(RobertaNames.Words);
        Position = parameter(RobertaNames.Positions);
        TokenType = parameter(RobertaNames.TokenTypes);
        Norm = new LayerNorm(parameter(RobertaNames.EmbeddingNorm + ".weight"), parameter(RobertaNames.EmbeddingNorm + ".bias"), config.LayerNormEps);
    }

    public Parameter Word { get; }

    public Parameter Position { get; }

    public Parameter TokenType { get; }

    public LayerNorm Norm { get; }

    /// <summary>ids [batch, length] → [batch, length, hidden].</summary>
    public Tensor forward(EncodedBatch batch, ForwardContext context)
    {
        var isToken = batch.InputIds.Ne(_config.PadTokenId).to(ScalarType.Int64);
        var positions = isToken.cumsum(1).mul_(isToken).Add_(_config.PadTokenId);
        // index_select rather than an Embedding module: TorchSharp (0.107.0) has no F.embedding.
        var x = Rows(Word.Value, batch.InputIds).Add(Rows(Position.Value, positions));
        x = x.Add_(TokenType.Value.select(0, 0));
        return context.ApplyDropout(Norm.forward(x), _config.HiddenDropout);
    }

    private static Tensor Rows(Tensor table, Tensor index) =>
        table.index_select(0, index.reshape(-1)).view(index.shape[0], index.shape[1], -1);
}
