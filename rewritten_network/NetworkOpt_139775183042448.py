import sys
import mindspore
from mindspore import nn
from mindspore.nn import Cell
from mindspore.ops import functional as F
#
#
sys.path.insert(0, '/tmp/w/he/src/model')
from src.model.layers import ConvNormAct

class ConvNormActOpt(ConvNormAct, nn.Cell):

    def __init__(self):
        nn.Cell.__init__(self)
        for key, value in ConvNormAct.__dict__.items():
            if not key.startswith('__'):
                setattr(ConvNormActOpt, key, value)
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/ops/auto_generate')
from mindspore.ops.auto_generate.gen_ops_prim import *
from mindspore.ops.auto_generate.pyboost_inner_prim import *
from mindspore.ops.operations.manually_defined.ops_def import *
from mindspore.ops.auto_generate.gen_ops_def import reshape_op

def reshape_opt(input, shape):
    reshape_op_var = reshape_op(input, shape)
    return reshape_op_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/ops/auto_generate')
from mindspore.ops.auto_generate.gen_ops_def import cast_op

def cast_opt(input, dtype):
    cast_op_var = cast_op(input, dtype)
    return cast_op_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/ops/function')
from mindspore.ops.function.math_func import bitwise_xor_

def bitwise_xor_opt(input, other):
    bitwise_xor__var = bitwise_xor_(input, other)
    return bitwise_xor__var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/ops/function')
from mindspore.ops.function.math_func import bitwise_and_

def bitwise_and_opt(input, other):
    bitwise_and__var = bitwise_and_(input, other)
    return bitwise_and__var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/ops/function')
import numbers
from mindspore import ops
from mindspore.common.tensor import Tensor

def bitwise_right_shift_opt(input, other):
    isinstance_var_1 = isinstance(input, Tensor)
    not_var = not isinstance_var_1
    and_var = not_var and (not isinstance(other, Tensor))
    if and_var:
        raise TypeError("For 'bitwise_left_shift', at least one of the inputs should be a Tensor.")
    cast = ops.Cast()
    isinstance_var = isinstance(input, numbers.Number)
    if isinstance_var:
        isinstance_var_2 = isinstance(input, int)
        not_var_1 = not isinstance_var_2
        if not_var_1:
            raise TypeError(f"For 'bitwise_left_shift', 'input' must be an integer, but got input:{type(input)}.")
        input = cast(input, other.dtype)
    else:
        isinstance_var_3 = isinstance(other, numbers.Number)
        if isinstance_var_3:
            isinstance_var_4 = isinstance(other, int)
            not_var_2 = not isinstance_var_4
            if not_var_2:
                raise TypeError(f"For 'bitwise_left_shift', 'other' must be an integer, but got other:{type(other)}.")
            other = cast(other, input.dtype)
    rs = ops.RightShift()
    rs_var = rs(input, other)
    return rs_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/ops/auto_generate')
from mindspore.ops.auto_generate.gen_ops_def import assign_add_op

def assign_add_opt(variable, value):
    assign_add_op_var = assign_add_op(variable, value)
    return assign_add_op_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/ops/function')
from mindspore.ops.function.array_func import ones_like_
from mindspore.ops.function.array_func import cast_

def ones_like_opt(input, *, dtype=None):
    output = ones_like_(input)
    _dtype = input.dtype if dtype is None else dtype
    output = cast_(output, _dtype)
    return output
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')
from mindspore.nn.cell import Cell
from mindspore.nn.layer.conv import _Conv

class _ConvOpt(_Conv, Cell):

    def __init__(self):
        Cell.__init__(self)
        for key, value in _Conv.__dict__.items():
            if not key.startswith('__'):
                setattr(_ConvOpt, key, value)
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')
from mindspore.nn.layer.normalization import _BatchNorm

class _BatchNormOpt(_BatchNorm, Cell):

    def __init__(self):
        Cell.__init__(self)
        for key, value in _BatchNorm.__dict__.items():
            if not key.startswith('__'):
                setattr(_BatchNormOpt, key, value)
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/ops/auto_generate')
from mindspore.ops.auto_generate.gen_ops_def import silu_op

def silu_opt(input):
    silu_op_var = silu_op(input)
    return silu_op_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')
from mindspore.nn.layer.conv import Conv2d
from mindspore.train.amp import amp_cast

class Conv2dOpt_33(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')
from mindspore import nn, ops

class ConvNormActOpt_19(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_33(self.conv)
        self.norm = BatchNorm2dOpt(self.norm)
        self.act = IdentityOpt(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_32(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_31(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')
from src.model.layers import SqueezeExcite

class SqueezeExciteOpt_6(SqueezeExcite, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.reduce = Conv2dOpt_31(self.reduce)
        self.act = SiLUOpt(self.act)
        self.expand = Conv2dOpt_32(self.expand)
        self.gate = SigmoidOpt(self.gate)

    def construct(self, means):
        compare_var = self.fused is not None
        if compare_var:
            gate, _, _ = self.fused(means, self.reduce.weight, self.reduce.bias, self.expand.weight, self.expand.bias, self.options)
            return gate
        reduce_var = self.reduce(means)
        act_var = self.act(reduce_var)
        expand_var = self.expand(act_var)
        gate_var = self.gate(expand_var)
        return gate_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_30(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_18(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_30(self.conv)
        self.norm = BatchNorm2dOpt(self.norm)
        self.act = SiLUOpt(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_29(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_17(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_29(self.conv)
        self.norm = BatchNorm2dOpt(self.norm)
        self.act = SiLUOpt(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/he/src/model')
from src.model.blocks import MBConv

class MBConvOpt_6(MBConv, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.expand = ConvNormActOpt_17(self.expand)
        self.depthwise = ConvNormActOpt_18(self.depthwise)
        self.se = SqueezeExciteOpt_6(self.se)
        self.depthwise = ConvNormActOpt_18(self.depthwise)
        self.project = ConvNormActOpt_19(self.project)
        self.drop_path = IdentityOpt(self.drop_path)
        self.project = ConvNormActOpt_19(self.project)

    def construct(self, x):
        expand_var = self.expand(x)
        y, gate = (expand_var, None)
        if self.gated:
            y, means = self.depthwise(y)
            gate = self.se(means)
        else:
            y = self.depthwise(y)
        if self.drops:
            project_var = self.project(y, gate)
            drop_path_var = self.drop_path(project_var)
            add_var = drop_path_var + x
            return add_var
        ifexp_var = x if self.residual else None
        project_var = self.project(y, gate, ifexp_var)
        return project_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_28(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_16(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_28(self.conv)
        self.norm = BatchNorm2dOpt(self.norm)
        self.act = IdentityOpt(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_27(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_26(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class SqueezeExciteOpt_5(SqueezeExcite, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.reduce = Conv2dOpt_26(self.reduce)
        self.act = SiLUOpt(self.act)
        self.expand = Conv2dOpt_27(self.expand)
        self.gate = SigmoidOpt(self.gate)

    def construct(self, means):
        compare_var = self.fused is not None
        if compare_var:
            gate, _, _ = self.fused(means, self.reduce.weight, self.reduce.bias, self.expand.weight, self.expand.bias, self.options)
            return gate
        reduce_var = self.reduce(means)
        act_var = self.act(reduce_var)
        expand_var = self.expand(act_var)
        gate_var = self.gate(expand_var)
        return gate_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_25(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_15(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_25(self.conv)
        self.norm = BatchNorm2dOpt(self.norm)
        self.act = SiLUOpt(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_24(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_14(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_24(self.conv)
        self.norm = BatchNorm2dOpt(self.norm)
        self.act = SiLUOpt(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/he/src/model')

class MBConvOpt_5(MBConv, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.expand = ConvNormActOpt_14(self.expand)
        self.depthwise = ConvNormActOpt_15(self.depthwise)
        self.se = SqueezeExciteOpt_5(self.se)
        self.depthwise = ConvNormActOpt_15(self.depthwise)
        self.project = ConvNormActOpt_16(self.project)
        self.drop_path = IdentityOpt(self.drop_path)
        self.project = ConvNormActOpt_16(self.project)

    def construct(self, x):
        expand_var = self.expand(x)
        y, gate = (expand_var, None)
        if self.gated:
            y, means = self.depthwise(y)
            gate = self.se(means)
        else:
            y = self.depthwise(y)
        if self.drops:
            project_var = self.project(y, gate)
            drop_path_var = self.drop_path(project_var)
            add_var = drop_path_var + x
            return add_var
        ifexp_var = x if self.residual else None
        project_var = self.project(y, gate, ifexp_var)
        return project_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_23(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_13(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_23(self.conv)
        self.norm = BatchNorm2dOpt(self.norm)
        self.act = IdentityOpt(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_22(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_21(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class SqueezeExciteOpt_4(SqueezeExcite, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.reduce = Conv2dOpt_21(self.reduce)
        self.act = SiLUOpt(self.act)
        self.expand = Conv2dOpt_22(self.expand)
        self.gate = SigmoidOpt(self.gate)

    def construct(self, means):
        compare_var = self.fused is not None
        if compare_var:
            gate, _, _ = self.fused(means, self.reduce.weight, self.reduce.bias, self.expand.weight, self.expand.bias, self.options)
            return gate
        reduce_var = self.reduce(means)
        act_var = self.act(reduce_var)
        expand_var = self.expand(act_var)
        gate_var = self.gate(expand_var)
        return gate_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_20(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_12(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_20(self.conv)
        self.norm = BatchNorm2dOpt(self.norm)
        self.act = SiLUOpt(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_19(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_11(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_19(self.conv)
        self.norm = BatchNorm2dOpt(self.norm)
        self.act = SiLUOpt(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/he/src/model')

class MBConvOpt_4(MBConv, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.expand = ConvNormActOpt_11(self.expand)
        self.depthwise = ConvNormActOpt_12(self.depthwise)
        self.se = SqueezeExciteOpt_4(self.se)
        self.depthwise = ConvNormActOpt_12(self.depthwise)
        self.project = ConvNormActOpt_13(self.project)
        self.drop_path = IdentityOpt(self.drop_path)
        self.project = ConvNormActOpt_13(self.project)

    def construct(self, x):
        expand_var = self.expand(x)
        y, gate = (expand_var, None)
        if self.gated:
            y, means = self.depthwise(y)
            gate = self.se(means)
        else:
            y = self.depthwise(y)
        if self.drops:
            project_var = self.project(y, gate)
            drop_path_var = self.drop_path(project_var)
            add_var = drop_path_var + x
            return add_var
        ifexp_var = x if self.residual else None
        project_var = self.project(y, gate, ifexp_var)
        return project_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_18(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_10(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_18(self.conv)
        self.norm = BatchNorm2dOpt(self.norm)
        self.act = IdentityOpt(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_17(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_16(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class SqueezeExciteOpt_3(SqueezeExcite, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.reduce = Conv2dOpt_16(self.reduce)
        self.act = SiLUOpt(self.act)
        self.expand = Conv2dOpt_17(self.expand)
        self.gate = SigmoidOpt(self.gate)

    def construct(self, means):
        compare_var = self.fused is not None
        if compare_var:
            gate, _, _ = self.fused(means, self.reduce.weight, self.reduce.bias, self.expand.weight, self.expand.bias, self.options)
            return gate
        reduce_var = self.reduce(means)
        act_var = self.act(reduce_var)
        expand_var = self.expand(act_var)
        gate_var = self.gate(expand_var)
        return gate_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_15(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_9(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_15(self.conv)
        self.norm = BatchNorm2dOpt(self.norm)
        self.act = SiLUOpt(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_14(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_8(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_14(self.conv)
        self.norm = BatchNorm2dOpt(self.norm)
        self.act = SiLUOpt(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/he/src/model')

class MBConvOpt_3(MBConv, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.expand = ConvNormActOpt_8(self.expand)
        self.depthwise = ConvNormActOpt_9(self.depthwise)
        self.se = SqueezeExciteOpt_3(self.se)
        self.depthwise = ConvNormActOpt_9(self.depthwise)
        self.project = ConvNormActOpt_10(self.project)
        self.drop_path = IdentityOpt(self.drop_path)
        self.project = ConvNormActOpt_10(self.project)

    def construct(self, x):
        expand_var = self.expand(x)
        y, gate = (expand_var, None)
        if self.gated:
            y, means = self.depthwise(y)
            gate = self.se(means)
        else:
            y = self.depthwise(y)
        if self.drops:
            project_var = self.project(y, gate)
            drop_path_var = self.drop_path(project_var)
            add_var = drop_path_var + x
            return add_var
        ifexp_var = x if self.residual else None
        project_var = self.project(y, gate, ifexp_var)
        return project_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_13(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_7(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_13(self.conv)
        self.norm = BatchNorm2dOpt(self.norm)
        self.act = IdentityOpt(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_12(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_11(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class SqueezeExciteOpt_2(SqueezeExcite, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.reduce = Conv2dOpt_11(self.reduce)
        self.act = SiLUOpt(self.act)
        self.expand = Conv2dOpt_12(self.expand)
        self.gate = SigmoidOpt(self.gate)

    def construct(self, means):
        compare_var = self.fused is not None
        if compare_var:
            gate, _, _ = self.fused(means, self.reduce.weight, self.reduce.bias, self.expand.weight, self.expand.bias, self.options)
            return gate
        reduce_var = self.reduce(means)
        act_var = self.act(reduce_var)
        expand_var = self.expand(act_var)
        gate_var = self.gate(expand_var)
        return gate_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_10(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_6(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_10(self.conv)
        self.norm = BatchNorm2dOpt(self.norm)
        self.act = SiLUOpt(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_9(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_5(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_9(self.conv)
        self.norm = BatchNorm2dOpt(self.norm)
        self.act = SiLUOpt(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/he/src/model')

class MBConvOpt_2(MBConv, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.expand = ConvNormActOpt_5(self.expand)
        self.depthwise = ConvNormActOpt_6(self.depthwise)
        self.se = SqueezeExciteOpt_2(self.se)
        self.depthwise = ConvNormActOpt_6(self.depthwise)
        self.project = ConvNormActOpt_7(self.project)
        self.drop_path = IdentityOpt(self.drop_path)
        self.project = ConvNormActOpt_7(self.project)

    def construct(self, x):
        expand_var = self.expand(x)
        y, gate = (expand_var, None)
        if self.gated:
            y, means = self.depthwise(y)
            gate = self.se(means)
        else:
            y = self.depthwise(y)
        if self.drops:
            project_var = self.project(y, gate)
            drop_path_var = self.drop_path(project_var)
            add_var = drop_path_var + x
            return add_var
        ifexp_var = x if self.residual else None
        project_var = self.project(y, gate, ifexp_var)
        return project_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_8(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_4(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_8(self.conv)
        self.norm = BatchNorm2dOpt(self.norm)
        self.act = IdentityOpt(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_7(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_6(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class SqueezeExciteOpt_1(SqueezeExcite, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.reduce = Conv2dOpt_6(self.reduce)
        self.act = SiLUOpt(self.act)
        self.expand = Conv2dOpt_7(self.expand)
        self.gate = SigmoidOpt(self.gate)

    def construct(self, means):
        compare_var = self.fused is not None
        if compare_var:
            gate, _, _ = self.fused(means, self.reduce.weight, self.reduce.bias, self.expand.weight, self.expand.bias, self.options)
            return gate
        reduce_var = self.reduce(means)
        act_var = self.act(reduce_var)
        expand_var = self.expand(act_var)
        gate_var = self.gate(expand_var)
        return gate_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_5(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_3(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_5(self.conv)
        self.norm = BatchNorm2dOpt(self.norm)
        self.act = SiLUOpt(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_4(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_2(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_4(self.conv)
        self.norm = BatchNorm2dOpt(self.norm)
        self.act = SiLUOpt(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/he/src/model')

class MBConvOpt_1(MBConv, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.expand = ConvNormActOpt_2(self.expand)
        self.depthwise = ConvNormActOpt_3(self.depthwise)
        self.se = SqueezeExciteOpt_1(self.se)
        self.depthwise = ConvNormActOpt_3(self.depthwise)
        self.project = ConvNormActOpt_4(self.project)
        self.drop_path = IdentityOpt(self.drop_path)
        self.project = ConvNormActOpt_4(self.project)

    def construct(self, x):
        expand_var = self.expand(x)
        y, gate = (expand_var, None)
        if self.gated:
            y, means = self.depthwise(y)
            gate = self.se(means)
        else:
            y = self.depthwise(y)
        if self.drops:
            project_var = self.project(y, gate)
            drop_path_var = self.drop_path(project_var)
            add_var = drop_path_var + x
            return add_var
        ifexp_var = x if self.residual else None
        project_var = self.project(y, gate, ifexp_var)
        return project_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_3(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_1(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_3(self.conv)
        self.norm = BatchNorm2dOpt(self.norm)
        self.act = IdentityOpt(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')
from mindspore.nn.layer.activation import Sigmoid

class SigmoidOpt(Sigmoid, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        sigmoid_var = self.sigmoid(x)
        return sigmoid_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_2(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_1(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class SqueezeExciteOpt(SqueezeExcite, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.reduce = Conv2dOpt_1(self.reduce)
        self.act = SiLUOpt(self.act)
        self.expand = Conv2dOpt_2(self.expand)
        self.gate = SigmoidOpt(self.gate)

    def construct(self, means):
        compare_var = self.fused is not None
        if compare_var:
            gate, _, _ = self.fused(means, self.reduce.weight, self.reduce.bias, self.expand.weight, self.expand.bias, self.options)
            return gate
        reduce_var = self.reduce(means)
        act_var = self.act(reduce_var)
        expand_var = self.expand(act_var)
        gate_var = self.gate(expand_var)
        return gate_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')
from mindspore.nn.layer.activation import SiLU

class SiLUOpt(SiLU, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        silu_var = silu_opt(x)
        return silu_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')
from mindspore.ops.primitive import _primexpr
from mindspore.nn.layer.normalization import BatchNorm2d

class BatchNorm2dOpt(BatchNorm2d, _BatchNormOpt):

    def __init__(self, obj):
        _BatchNormOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self._check_input_dim = obj.__class__._check_input_dim

    @staticmethod
    @_primexpr
    def _check_input_dim(shape, cls_name):
        dim = len(shape)
        _check_dim(dim, 4, cls_name)
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')
import zlib
from typing import Optional
import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from src.kernels import cells, operators
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')
from mindspore.nn.layer.basic import Identity

class IdentityOpt(Identity, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, input):
        return input
#
sys.path.insert(0, '/tmp/w/he/src/model')

class MBConvOpt(MBConv, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.expand = IdentityOpt(self.expand)
        self.depthwise = ConvNormActOpt(self.depthwise)
        self.se = SqueezeExciteOpt(self.se)
        self.depthwise = ConvNormActOpt(self.depthwise)
        self.project = ConvNormActOpt_1(self.project)
        self.drop_path = IdentityOpt(self.drop_path)
        self.project = ConvNormActOpt_1(self.project)

    def construct(self, x):
        expand_var = self.expand(x)
        y, gate = (expand_var, None)
        if self.gated:
            y, means = self.depthwise(y)
            gate = self.se(means)
        else:
            y = self.depthwise(y)
        if self.drops:
            project_var = self.project(y, gate)
            drop_path_var = self.drop_path(project_var)
            add_var = drop_path_var + x
            return add_var
        ifexp_var = x if self.residual else None
        project_var = self.project(y, gate, ifexp_var)
        return project_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')
from mindspore.nn.layer.basic import Dense

class DenseOpt(Dense, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x_var = amp_cast(x, mindspore.float16)
        x_shape = self.shape_op(x_var)
        x_shape = amp_cast(x_shape, mindspore.float32)
        len_var_1 = len(x_shape)
        compare_var_1 = len_var_1 != 2
        if compare_var_1:
            subscript_var = x_shape[-1]
            usub_var = -1
            tuple_var = (usub_var, subscript_var)
            x_var_4 = amp_cast(x, mindspore.float16)
            tuple_var = amp_cast(tuple_var, mindspore.float16)
            x = self.reshape(x_var_4, tuple_var)
            x = amp_cast(x, mindspore.float32)
        x_var_1 = amp_cast(x, mindspore.float16)
        weight_var = amp_cast(self.weight, mindspore.float16)
        x = self.matmul(x_var_1, weight_var)
        x = amp_cast(x, mindspore.float32)
        if self.has_bias:
            x_var_3 = amp_cast(x, mindspore.float16)
            bias_var = amp_cast(self.bias, mindspore.float16)
            x = self.bias_add(x_var_3, bias_var)
            x = amp_cast(x, mindspore.float32)
        if self.activation_flag:
            x = self.activation(x)
        len_var = len(x_shape)
        compare_var = len_var != 2
        if compare_var:
            subscript_var_2 = ops.shape(x)[-1]
            tuple_var_1 = (subscript_var_2,)
            subscript_var_1 = x_shape[:-1]
            out_shape = subscript_var_1 + tuple_var_1
            x_var_2 = amp_cast(x, mindspore.float16)
            out_shape = amp_cast(out_shape, mindspore.float16)
            x = self.reshape(x_var_2, out_shape)
            x = amp_cast(x, mindspore.float32)
        return x

    def extend_repr(self):
        s = f'input_channels={self.in_channels}, output_channels={self.out_channels}'
        if self.has_bias:
            s += f', has_bias={self.has_bias}'
        if self.activation_flag:
            s += f', activation={self.activation}'
        return s
#
sys.path.insert(0, '/tmp/w/he/src/model')
from src.model.layers import Uniform

class UniformOpt(Uniform, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, count):
        ones_like_var = ones_like_opt(self.counter)
        counter = assign_add_opt(self.counter, ones_like_var)
        mult_var_1 = counter * self.weyl
        arange_var = ops.arange(0, count, 1, dtype=ms.int32)
        x = arange_var + mult_var_1
        x = self.mix(x, 16, 2146121005)
        usub_var = -2073254261
        x = self.mix(x, 15, usub_var)
        x = self.mix(x, 16, 1)
        div_var = 1.0 / 16777216
        bitwise_and_var = bitwise_and_opt(x, 16777215)
        cast_var = cast_opt(bitwise_and_var, ms.float32)
        mult_var = cast_var * div_var
        return mult_var

    def mix(self, x, shift, factor):
        sub_var_1 = 32 - shift
        lshift_var = 1 << sub_var_1
        sub_var = lshift_var - 1
        bitwise_right_shift_var = bitwise_right_shift_opt(x, shift)
        bitwise_and_var = bitwise_and_opt(bitwise_right_shift_var, sub_var)
        bitwise_xor_var = bitwise_xor_opt(x, bitwise_and_var)
        mult_var = bitwise_xor_var * factor
        return mult_var
#
sys.path.insert(0, '/tmp/w/he/src/model')
from src.model.layers import Dropout

class DropoutOpt(Dropout, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.uniform = UniformOpt(self.uniform)

    def construct(self, x):
        not_var = not self.training
        if not_var:
            return x
        subscript_var_1 = x.shape[1]
        subscript_var = x.shape[0]
        mult_var_2 = subscript_var * subscript_var_1
        uniform_var = self.uniform(mult_var_2)
        draw = reshape_opt(uniform_var, x.shape)
        sub_var = 1 - self.rate
        div_var = 1 / sub_var
        compare_var = draw >= self.rate
        cast_var = cast_opt(compare_var, x.dtype)
        mult_var_1 = x * cast_var
        mult_var = mult_var_1 * div_var
        return mult_var
#
sys.path.insert(0, '/tmp/w/he/src/model')
from src.model.layers import GlobalPool

class GlobalPoolOpt(GlobalPool, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        ifexp_var = self.fused(x) if self.fused is not None else ops.mean(x, (2, 3))
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/he/src/model')
from src.model.blocks import Classifier

class ClassifierOpt(Classifier, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.pool = GlobalPoolOpt(self.pool)
        self.dropout = DropoutOpt(self.dropout)
        self.dense = DenseOpt(self.dense)

    def construct(self, x):
        pool_var = self.pool(x)
        dropout_var = self.dropout(pool_var)
        dense_var = self.dense(dropout_var)
        return dense_var
#
sys.path.insert(0, '/tmp/w/he/src/model')
from src.model.blocks import ConvBlock

class ConvBlockOpt(ConvBlock, ConvNormActOpt):

    def __init__(self, obj):
        ConvNormActOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
#
sys.path.insert(0, '/tmp/w/he/src/model')
from src.model.layers import ToLayers

class ToLayersOpt(ToLayers, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        ifexp_var = self.fused(x) if self.fused is not None else x
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/he/src/model')
from src.model.network import Network

class NetworkOpt(Network, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.enter = ToLayersOpt(self.enter)
        self.stem = ConvBlockOpt(self.stem)
        self.stages[0][0] = MBConvOpt(self.stages[0][0])
        self.stages[1][0] = MBConvOpt_1(self.stages[1][0])
        self.stages[2][0] = MBConvOpt_2(self.stages[2][0])
        self.stages[3][0] = MBConvOpt_3(self.stages[3][0])
        self.stages[4][0] = MBConvOpt_4(self.stages[4][0])
        self.stages[5][0] = MBConvOpt_5(self.stages[5][0])
        self.stages[6][0] = MBConvOpt_6(self.stages[6][0])
        self.head = ConvBlockOpt(self.head)
        self.classifier = ClassifierOpt(self.classifier)

    def construct(self, x):
        enter_var = self.enter(x)
        stem_var = self.stem(enter_var)
        stages_var = self.stages(stem_var)
        head_var = self.head(stages_var)
        classifier_var = self.classifier(head_var)
        return classifier_var
#