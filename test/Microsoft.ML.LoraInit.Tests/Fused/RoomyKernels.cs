using Microsoft.ML.LoraInit.Fused;
using Microsoft.ML.LoraInit.Tests.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Fused;

/// <summary>Kernels in tensor operations that give rows room as those of a GPU do, so that every machine can test what uses it.</summary>
internal sealed class RoomyKernels : TensorKernels
{
    /// <summary>What was asked of <see cref="AddNorm"/>, in order.</summary>
    public List<long> NormRooms { get; } = [];

    /// <summary>What was asked of <see cref="TryAttend"/>.</summary>
    public List<long> AttentionRooms { get; } = [];

    public override bool GivesRoom => true;

    public override NormResult AddNorm(Tensor update, Tensor residual, Tensor weight, Tensor bias, double eps, DropoutMask dropout, long room = 0)
    {
        NormRooms.Add(room);
        var result = (MeasuredNorm)base.AddNorm(update, residual, weight, bias, eps, dropout, room);
        RowRoom.Whole(result.Output, room)?.narrow(1, update.shape[1], room).fill_(float.NaN); // as memory may be that nobody wrote
        return result;
    }

    public override AttentionResult? TryAttend(
        Tensor projected, int batch, int length, int heads, Tensor? lengths, double scale, DropoutMask dropout, long room = 0)
    {
        if (dropout.Drops)
            return null; // JoinHeads gives room
        AttentionRooms.Add(room);
        var config = TinyModel.Config with { HiddenSize = (int)projected.shape[1] / 3, Heads = heads };
        var mask = lengths is null ? null : arange(length, dtype: ScalarType.Int64).unsqueeze(0).lt(lengths.unsqueeze(1)).unsqueeze(1).unsqueeze(1);
        var inner = new FusedAttention(config, new TensorKernels(), 0).All(projected, new(batch, length, lengths, mask, null));
        return new(inner.Output, gradient => [RowRoom.Copy(inner.Backward(gradient)[0], room)]);
    }
}
